// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How long an event loop waits for further events before it delivers those that are there. Pure.
///
/// What a delivery costs is the system call, and one call takes ten events as well as one. So a loop that spends most of
/// its time delivering gains by waiting: as long as the last round took, at most, and only if further events are to be
/// expected in that time. A loop with time to spare delivers at once.
struct DeliveryPace {
    /// The share of its time that a loop spends delivering from which on it waits.
    static let busyShare = 0.5
    /// Events that have to be expected in one round for waiting to be worth it.
    static let eventsMin = 2.0
    /// The weight of the last round among those before.
    private static let weight = 0.2
    /// What came longer ago says nothing about now.
    static let memory = TimeAmount.seconds(1)

    let waitMax: TimeAmount
    private var lastEnd: NIODeadline?
    private var share = 0.0
    /// Events per nanosecond.
    private var rate = 0.0
    private var lastDuration = 0.0

    /// - Parameter waitMax: zero for never to wait.
    init(waitMax: TimeAmount) {
        self.waitMax = waitMax
    }

    /// What was there was delivered.
    ///
    /// - Parameters:
    ///   - events: that were delivered in it.
    ///   - waited: of the time before it, what the loop waited because of ``wait``.
    mutating func delivered(_ events: Int, from begin: NIODeadline, to end: NIODeadline, waited: TimeAmount) {
        let duration = Double(max(0, (end - begin).nanoseconds))
        defer {
            self.lastEnd = end
            self.lastDuration = duration
        }
        guard let lastEnd = self.lastEnd, begin - lastEnd < Self.memory else {
            (self.share, self.rate) = (0, 0)
            return
        }
        // What would have been idle time if it had not waited.
        let idle = Double(max(0, (begin - lastEnd - waited).nanoseconds))
        let interval = Double(max(1, (end - lastEnd).nanoseconds))
        self.share += Self.weight * (duration / max(1, duration + idle) - self.share)
        self.rate += Self.weight * (Double(events) / interval - self.rate)
    }

    /// How long to wait from the first event on.
    var wait: TimeAmount {
        guard self.share >= Self.busyShare else { return .zero }
        let wait = min(Double(self.waitMax.nanoseconds), self.lastDuration)
        guard self.rate * (self.lastDuration + wait) >= Self.eventsMin else { return .zero }
        return .nanoseconds(Int64(wait))
    }
}
