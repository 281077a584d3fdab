// SPDX-License-Identifier: Apache-2.0

import DequeModule
import HeapModule
import NIOCore
import Wire

// MARK: - From the event loop: receiving

extension Outbox {
    /// - Returns: whether to start a drain; nil when the peer gives back more than was used, which is an offence.
    mutating func creditReceived(_ credit: CreditFrame) -> Bool? {
        self.creditItems += Int(credit.items)
        self.creditBytes += Int(credit.bytes)
        guard self.creditItems <= self.creditItemsMax, self.creditBytes <= self.creditBytesMax else { return nil }
        return self.startDrain()
    }

    /// The peer's requests and notifications of one block.
    ///
    /// - Parameter releasedItems: how many of them are done with already, as ``releasedBytes``.
    /// - Returns: whether to start a drain; nil when the peer used more credit than it had, which is an offence.
    mutating func used(items: Int, bytes: Int, releasedItems: Int, releasedBytes: Int) -> Bool? {
        guard self.ledger.use(items: items, bytes: bytes) else { return nil }
        self.ledger.release(items: releasedItems, bytes: releasedBytes)
        return self.startDrain()
    }

    /// The request's completion, or nil when it is not waited for.
    mutating func responseReceived(id: UInt64) -> Completion? {
        // An answer to what was not sent yet can only be made up; it must not make the request appear answered.
        guard let waiting = self.pending[id], waiting.isSent else { return nil }
        self.pending[id] = nil
        return waiting.completion
    }

    /// A request that ended without an answer.
    struct Unanswered {
        var completion: Completion
        var isSent: Bool
    }

    /// Takes out the requests whose deadline is over.
    mutating func expire(now: NIODeadline) -> [Unanswered] {
        var expired: [Unanswered] = []
        while let first = self.deadlines.min, first.time <= now {
            self.deadlines.removeMin()
            guard let waiting = self.pending.removeValue(forKey: first.id) else { continue }
            expired.append(Unanswered(completion: waiting.completion, isSent: waiting.isSent))
            if !waiting.isSent { self.deadInQueue += 1 }
        }
        if self.deadInQueue > self.queue.count / 2 { self.removeDead() }
        return expired
    }

    /// Gives room to requests that are still waited for, when the peer gives no credit.
    private mutating func removeDead() {
        self.queue.removeAll { frame in
            guard case .request(let request) = frame else { return false }
            return self.pending[request.id] == nil
        }
        self.queuedBytes = self.queue.reduce(0) { $0 + $1.encodedBytes }
        self.deadInQueue = 0
    }

    /// What was waiting when the link ended.
    struct Leftovers {
        /// In the order in which they were made.
        var requests: [Unanswered] = []
        var notifications = 0
        var responses = 0
    }

    /// Nothing is taken from now on.
    mutating func close() -> Leftovers {
        var leftovers = Leftovers()
        leftovers.requests = self.pending.sorted { $0.key < $1.key }.map {
            Unanswered(completion: $0.value.completion, isSent: $0.value.isSent)
        }
        leftovers.responses = self.answers.count
        for case .notification in self.queue { leftovers.notifications += 1 }
        leftovers.notifications += self.ephemeral.count
        self.isClosed = true
        self.pending = [:]
        self.deadlines = []
        self.answers = []
        self.answerBytes = 0
        self.queue = []
        self.queuedBytes = 0
        self.ephemeral = []
        self.ephemeralBytes = 0
        self.deadInQueue = 0
        return leftovers
    }
}
