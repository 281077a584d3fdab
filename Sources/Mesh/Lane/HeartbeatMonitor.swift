// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Decides when to send a heartbeat and when a peer has been silent for too long.
struct HeartbeatMonitor: Sendable {
    enum TickAction: Equatable {
        /// Send a heartbeat with this time.
        case send(UInt64)
        /// Nothing came for so long: take the link down.
        case silent(TimeAmount)
    }

    private let interval: TimeAmount
    private let silenceLimit: TimeAmount
    private var lastReceived: NIODeadline
    private var lastTick: NIODeadline

    init(interval: TimeAmount, silenceLimit: TimeAmount, now: NIODeadline) {
        self.interval = interval
        self.silenceLimit = silenceLimit
        self.lastReceived = now
        self.lastTick = now
    }

    /// Anything at all came over the control lane.
    mutating func received(now: NIODeadline) {
        self.lastReceived = now
    }

    /// To be called every interval.
    ///
    /// A tick that is itself late shows that this event loop stood still, and what the peer sent meanwhile may not be
    /// read yet; so the peer gets that time in addition.
    mutating func tick(now: NIODeadline) -> TickAction {
        let late = now - self.lastTick - self.interval
        self.lastTick = now
        if late > .nanoseconds(0) {
            self.lastReceived = min(now, self.lastReceived + late)
        }
        let silence = now - self.lastReceived
        guard silence <= self.silenceLimit else { return .silent(silence) }
        return .send(now.uptimeNanoseconds)
    }

    /// The way there and back of a heartbeat that was answered; nil for a time that was never sent.
    func roundTrip(of time: UInt64, now: NIODeadline) -> TimeAmount? {
        guard time <= now.uptimeNanoseconds else { return nil }
        return .nanoseconds(Int64(clamping: now.uptimeNanoseconds - time))
    }
}
