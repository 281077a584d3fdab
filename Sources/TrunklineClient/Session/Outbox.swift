// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
internal import Messaging
package import NIOCore

/// The own messages that have no final answer yet, in the order in which they were given. Pure.
///
/// Bounded: ``add(_:now:)`` refuses beyond `messagesMax`. On a new connection everything that has no answer is sent
/// again in that order with the same client message ids, which stores nothing twice (contract C2).
package struct Outbox: Sendable {
    package struct Entry: Sendable {
        package var request: SendMessageRequest
        package var addedAt: NIODeadline
        /// How often it was sent.
        package var attempts = 0
        /// What the last attempt ended with.
        package var lastError: TrunklineError?
        /// An attempt ended without an answer that says what became of it.
        package fileprivate(set) var mayBeStored = false
        fileprivate var state = State.waiting
    }

    fileprivate enum State: Sendable, Equatable {
        case waiting
        case sent(command: UInt64, at: NIODeadline)
        case paused(until: NIODeadline)
    }

    private let messagesMax: Int
    private let timeLimit: TimeAmount
    /// By ticket; tickets grow, so their order is that of ``add(_:now:)``.
    private var entries: [UInt64: Entry] = [:]
    /// Tickets to look at for sending, in order; may hold tickets that are gone.
    private var queue: [UInt64] = []
    private var queueHead = 0
    private var commands: [UInt64: UInt64] = [:]
    /// Until then nothing is sent: the limit that refused one message would refuse the others too, or let them overtake.
    private var heldUntil: NIODeadline?
    private var nextTicket: UInt64 = 0

    package init(messagesMax: Int, timeLimit: TimeAmount) {
        self.messagesMax = messagesMax
        self.timeLimit = timeLimit
    }

    package var count: Int { self.entries.count }
    package var sentCount: Int { self.commands.count }
    package var isEmpty: Bool { self.entries.isEmpty }

    /// Returns false when there is no room.
    package mutating func add(_ request: SendMessageRequest, now: NIODeadline) -> Bool {
        guard self.entries.count < self.messagesMax else { return false }
        let ticket = self.nextTicket
        self.nextTicket += 1
        self.entries[ticket] = Entry(request: request, addedAt: now)
        self.queue.append(ticket)
        return true
    }

    /// The message to send next, or nil when there is none or all have to wait. Say with ``sent(_:as:now:)`` that it was sent.
    package mutating func nextToSend() -> (ticket: UInt64, request: SendMessageRequest, isRepeated: Bool)? {
        guard self.heldUntil == nil else { return nil }
        while self.queueHead < self.queue.count {
            let ticket = self.queue[self.queueHead]
            if let entry = self.entries[ticket], entry.state == .waiting {
                return (ticket, entry.request, entry.attempts > 0)
            }
            self.advance()
        }
        return nil
    }

    package mutating func sent(_ ticket: UInt64, as command: UInt64, now: NIODeadline) {
        guard self.entries[ticket] != nil else { return }
        self.entries[ticket]?.state = .sent(command: command, at: now)
        self.entries[ticket]?.attempts += 1
        self.commands[command] = ticket
        if self.queueHead < self.queue.count, self.queue[self.queueHead] == ticket { self.advance() }
    }

    /// The command got `message_sent`. Returns the entry, the first time.
    package mutating func acknowledged(_ command: UInt64) -> Entry? {
        self.commands.removeValue(forKey: command).flatMap { self.entries.removeValue(forKey: $0) }
    }

    /// The message that was sent with a command that has no answer yet.
    package func request(of command: UInt64) -> SendMessageRequest? {
        self.commands[command].flatMap { self.entries[$0]?.request }
    }

    package enum RefusalAction: Sendable {
        /// Call ``pauseEnded(now:)`` at that time.
        case retry(at: NIODeadline)
        case giveUp(Entry, TrunklineError)
        case none
    }

    /// The command got `error`. After `rate_limited` nothing at all is sent until the time that was told.
    ///
    /// - Parameter pause: How long to wait where the cluster did not say.
    package mutating func refused(
        _ command: UInt64,
        _ error: TrunklineError,
        pause: TimeAmount,
        now: NIODeadline
    ) -> RefusalAction {
        guard let ticket = self.commands.removeValue(forKey: command), var entry = self.entries[ticket] else {
            return .none
        }
        if !error.hadNoEffect { entry.mayBeStored = true }
        let wait = error.retryAfterMilliseconds.map { max(pause, .milliseconds(Int64($0))) } ?? pause
        let again = now + wait
        guard error.isRetryable, again < entry.addedAt + self.timeLimit else {
            self.entries[ticket] = nil
            return .giveUp(entry, entry.final(error))
        }
        if error.code == .server(.rateLimited) { self.heldUntil = max(self.heldUntil ?? again, again) }
        entry.lastError = error
        entry.state = .paused(until: again)
        self.entries[ticket] = entry
        return .retry(at: again)
    }

    /// Puts the paused messages whose time has come back into the queue, in their order. While all have to wait it does
    /// nothing: the last refusal asked to be called later.
    package mutating func pauseEnded(now: NIODeadline) {
        if let held = self.heldUntil {
            guard held <= now else { return }
            self.heldUntil = nil
        }
        self.requeue { state in
            guard case .paused(let until) = state else { return false }
            return until <= now
        }
    }

    /// The connection is gone: everything that was sent on it waits again.
    package mutating func disconnected() {
        for ticket in self.commands.values { self.entries[ticket]?.mayBeStored = true }
        self.commands.removeAll(keepingCapacity: true)
        self.requeue { state in
            if case .sent = state { true } else { false }
        }
    }

    /// Removes and returns the messages that are too old.
    package mutating func expire(now: NIODeadline) -> [Entry] {
        let old = self.entries.filter { $0.value.addedAt + self.timeLimit <= now }.keys.sorted()
        return old.compactMap { ticket in
            guard var entry = self.entries.removeValue(forKey: ticket) else { return nil }
            if case .sent(let command, _) = entry.state {
                self.commands[command] = nil
                entry.mayBeStored = true
            }
            return entry
        }
    }

    /// When the message was sent that has waited longest for its answer on this connection, or nil.
    package var oldestSent: NIODeadline? {
        self.commands.values.lazy.compactMap { ticket in
            if case .sent(_, let time) = self.entries[ticket]?.state { time } else { nil }
        }.min()
    }

    /// Removes and returns everything.
    package mutating func removeAll() -> [Entry] {
        for ticket in self.commands.values { self.entries[ticket]?.mayBeStored = true }
        let all = self.entries.sorted { $0.key < $1.key }.map(\.value)
        self.entries = [:]
        self.commands = [:]
        self.queue = []
        self.queueHead = 0
        return all
    }

    private mutating func requeue(where matches: (State) -> Bool) {
        var changed = false
        for (ticket, entry) in self.entries where matches(entry.state) {
            self.entries[ticket]?.state = .waiting
            changed = true
        }
        guard changed else { return }
        self.queue = self.entries.filter { $0.value.state == .waiting }.keys.sorted()
        self.queueHead = 0
    }

    private mutating func advance() {
        self.queueHead += 1
        if self.queueHead == self.queue.count {
            self.queue.removeAll(keepingCapacity: true)
            self.queueHead = 0
        } else if self.queueHead >= 256, self.queueHead * 2 > self.queue.count {
            self.queue.removeFirst(self.queueHead)
            self.queueHead = 0
        }
    }
}

extension Outbox.Entry {
    /// The error to give the message up with: that waiting would have helped and nothing was done is said only when no
    /// earlier attempt may have been stored.
    package func final(_ error: TrunklineError) -> TrunklineError {
        guard self.mayBeStored, error.isRetryable, error.hadNoEffect else { return error }
        return TrunklineError(
            .server(.outcomeUnknown),
            "An earlier attempt may have been stored; the last one ended with \(error.name): \(error.message)"
        )
    }
}
