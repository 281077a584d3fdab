// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Observability
import Synchronization

/// Hands events to the sessions of the loop. On the event loop.
extension SessionLoop {
    /// Delivers what waits, now or, when the loop is so busy that joining pays, a little later.
    ///
    /// - Parameter isDue: it has waited.
    func deliverWaiting(isDue: Bool = false) {
        let begin = NIODeadline.now()
        if !isDue {
            guard self.table.value.waitsSince == nil else { return }
            let wait = self.table.value.pace.wait
            if wait > .zero, self.inbox.withLock({ !$0.round.deliveries.isEmpty }) {
                self.table.value.waitsSince = begin
                self.metrics.deliveryWaits.increment()
                self.eventLoop.scheduleTask(in: wait) { self.deliverWaiting(isDue: true) }
                return
            }
        }
        let waited = self.table.value.waitsSince.map { begin - $0 } ?? .zero
        self.table.value.waitsSince = nil
        let round = self.inbox.withLock { inbox in
            defer { inbox.round = Round() }
            return inbox.round
        }
        if !round.deliveries.isEmpty {
            self.deliver(round: round.deliveries)
            self.table.value.pace.delivered(round.deliveries.count, from: begin, to: .now(), waited: waited)
        }
        if self.take(round.positions) || round.hasOverflowed {
            for handlers in Array(self.table.value.open.values) {
                for handler in handlers { handler.eventsWereDropped() }
            }
        }
    }

    /// Returns whether something was lost for the sessions.
    private func take(_ positions: RouterPositions.Snapshot?) -> Bool {
        guard let positions, positions.version > self.table.value.positions.version else { return false }
        defer { self.table.value.positions = positions }
        return positions.losses > self.table.value.positions.losses
    }

    func offer(_ events: some Collection<EphemeralEvent>, touched: inout [SessionHandler]) {
        guard !events.isEmpty else { return }
        var written = 0
        var dropped = 0
        for event in events {
            for handler in self.receivers(of: event) {
                if handler.writeEphemeral(event.frame) {
                    written += 1
                    touched.append(handler)
                } else {
                    dropped += 1
                    if case .presence(let user) = event.key { handler.presenceMissed(user) }
                }
            }
        }
        self.metrics.ephemeral.deliveries.increment(by: UInt64(written))
        self.metrics.ephemeral.droppedSlowSession.increment(by: UInt64(dropped))
    }

    private func receivers(of group: DeliveryGroup) -> [SessionHandler] {
        let generation = self.table.value.generation
        if let mark = group.mark, let known = self.table.value.receivers.found(mark, generation) { return known }
        let open = self.table.value.open
        let found = group.recipients.flatMap { open[$0] ?? [] }
        if let mark = group.mark { self.table.value.receivers.remember(found, size: found.count, mark, generation) }
        return found
    }

    private func receivers(of event: EphemeralEvent) -> [SessionHandler] {
        switch event.receivers {
        case .sessions(let sessions):
            sessions.compactMap { self.table.value.handlers[$0] }
        case .users(let users, let excluded):
            users.flatMap { (self.table.value.open[$0] ?? []).filter { $0.device != excluded } }
        }
    }

    private func deliver(round deliveries: [Delivery]) {
        var frames = RoundFrames(deliveries.map(\.frame))
        let groups = DeliveryGroup.groups(of: deliveries)
        var written = 0
        // What a session needs in memory is cold after some hundred others: each is written to and flushed at one go.
        if groups.count == 1 {
            let json = frames.buffers(at: groups[0].places, in: .json)
            let binary = frames.buffers(at: groups[0].places, in: .binary)
            for handler in self.receivers(of: groups[0]) {
                if groups[0].excludes(handler.device) {
                    let places = groups[0].places(for: handler.device, deliveries)
                    written += handler.writeAndFlush(
                        frames.buffers(at: places, in: handler.subprotocol),
                        places,
                        deliveries
                    )
                } else {
                    written += handler.writeAndFlush(
                        handler.subprotocol == .json ? json : binary,
                        groups[0].places,
                        deliveries
                    )
                }
            }
        } else {
            var receivers: [SessionHandler] = []
            for group in groups {
                for handler in self.receivers(of: group) {
                    let places = group.places(for: handler.device, deliveries)
                    guard !places.isEmpty else { continue }
                    if handler.offered.isEmpty { receivers.append(handler) }
                    handler.offer(places)
                }
            }
            for handler in receivers {
                let places = handler.takeOffered()
                written += handler.writeAndFlush(
                    frames.buffers(at: places, in: handler.subprotocol),
                    places,
                    deliveries
                )
            }
        }
        self.metrics.deliveries.increment(by: UInt64(written))
        let now = WallClock.now()
        for created in deliveries.compactMap(\.messageCreatedAt) {
            self.metrics.deliveryDelay.observe(.milliseconds(now > created ? now - created : 0))
        }
    }
}
