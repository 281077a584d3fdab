// SPDX-License-Identifier: Apache-2.0

/// Keeps the order in which one session sent messages to one conversation, across routers that come and go. Pure.
///
///     flowing ──an attempt has to be repeated──▶ settling ──nothing in flight──▶ pausing ──resume──▶ flowing
///
/// While all goes well messages are sent as they come, many at a time. When one has to be sent again, those behind it
/// must not overtake it: new ones are held back, the outcome of all that are in flight is awaited, and after a pause
/// all without an answer are sent again in the client's order. A message that was stored meanwhile is stored once all
/// the same (contract C2), so this is safe. Those in flight at that moment cannot overtake either: each names its
/// ``predecessor(of:)``, and the owner stores it only after that one.
package struct SubmitQueue: Sendable {
    /// The shell's name for a message.
    package typealias Ticket = UInt64

    private struct Entry {
        var ticket: Ticket
        var isInFlight: Bool
        /// Some attempt may have reached a router.
        var mayHaveArrived = false
    }

    private enum Phase {
        case flowing
        case settling
        case pausing
    }

    /// In the client's order; those with an answer are gone. Bounded by the session's bound on submits.
    private var entries: [Entry] = []
    private var phase = Phase.flowing
    private var schedule = RetrySchedule()

    var isEmpty: Bool { self.entries.isEmpty }
    var count: Int { self.entries.count }

    enum EnqueueAction: Equatable {
        case send
        /// It waits behind others.
        case hold
    }

    mutating func enqueue(_ ticket: Ticket) -> EnqueueAction {
        let flows = self.phase == .flowing
        self.entries.append(Entry(ticket: ticket, isInFlight: flows))
        return flows ? .send : .hold
    }

    enum OutcomeAction: Equatable {
        case none
        /// Call ``resume(isExpired:)`` after this time.
        case pause(milliseconds: Int)
    }

    /// The message has its answer.
    mutating func answered(_ ticket: Ticket, using generator: inout some RandomNumberGenerator) -> OutcomeAction {
        self.entries.removeAll { $0.ticket == ticket }
        if self.phase == .flowing { self.schedule.reset() }
        return self.settle(using: &generator)
    }

    /// The attempt has to be repeated.
    mutating func failed(
        _ ticket: Ticket,
        mayHaveArrived: Bool,
        using generator: inout some RandomNumberGenerator
    ) -> OutcomeAction {
        guard let index = self.entries.firstIndex(where: { $0.ticket == ticket && $0.isInFlight }) else { return .none }
        self.entries[index].isInFlight = false
        self.entries[index].mayHaveArrived = self.entries[index].mayHaveArrived || mayHaveArrived
        self.phase = .settling
        return self.settle(using: &generator)
    }

    /// Whether any attempt of the message may have reached a router.
    func mayHaveArrived(_ ticket: Ticket) -> Bool {
        self.entries.first { $0.ticket == ticket }?.mayHaveArrived ?? false
    }

    /// The message right before this one that has no answer yet: the owner may not store this one without it.
    func predecessor(of ticket: Ticket) -> Ticket? {
        guard let index = self.entries.firstIndex(where: { $0.ticket == ticket }), index > 0 else { return nil }
        return self.entries[index - 1].ticket
    }

    struct Resumption: Equatable {
        /// To be sent, in this order.
        var send: [Ticket] = []
        /// Out of time, and no longer in the queue.
        var expired: [Expired] = []

        struct Expired: Equatable {
            var ticket: Ticket
            var mayHaveArrived: Bool
        }
    }

    /// The pause is over.
    mutating func resume(isExpired: (Ticket) -> Bool) -> Resumption {
        guard self.phase == .pausing else { return Resumption() }
        self.phase = .flowing
        var resumption = Resumption()
        self.entries.removeAll { entry in
            guard isExpired(entry.ticket) else { return false }
            resumption.expired.append(.init(ticket: entry.ticket, mayHaveArrived: entry.mayHaveArrived))
            return true
        }
        for index in self.entries.indices {
            self.entries[index].isInFlight = true
        }
        resumption.send = self.entries.map(\.ticket)
        return resumption
    }

    private mutating func settle(using generator: inout some RandomNumberGenerator) -> OutcomeAction {
        guard self.phase == .settling, !self.entries.contains(where: \.isInFlight) else { return .none }
        guard !self.entries.isEmpty else {
            self.phase = .flowing
            return .none
        }
        self.phase = .pausing
        return .pause(milliseconds: self.schedule.next(using: &generator))
    }
}
