// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Testing
import Wire

@testable import Router

@Suite("Writer: what it asks of the database and answers, step by step")
struct WriterTests {
    private var writer = Writer(conversationsMax: 100)

    private func circumstances(epoch: UInt64? = 1, owner: String = "r1", at seconds: Int64 = 0) -> Writer.Circumstances
    {
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["s"]) { table.adopt(map) }
        if let epoch { table.adopt(View(shard: "s", epoch: epoch, routers: [owner])) }
        return Writer.Circumstances(
            now: .uptimeNanoseconds(0) + .seconds(seconds),
            wallClock: start,
            ownership: SlotOwnership(own: RouterLife(name: "r1", incarnation: ""), shard: "s", table: table)
        )
    }

    private let deadline = NIODeadline.uptimeNanoseconds(0) + .seconds(10)

    private func work(_ ticket: UInt64, _ submit: Submit) -> Writer.Work {
        .submit(ticket, Slot(of: submit.conversation.value), submit, deadline: self.deadline)
    }

    private func state(head: UInt64 = 0) -> Storage.ConversationState {
        Storage.ConversationState(
            conversation: conversation(head: head),
            members: [Member(user: user(1), role: .owner), Member(user: user(2), role: .member)],
            membersVersion: 1
        )
    }

    private mutating func load(_ work: [Writer.Work], head: UInt64 = 0) -> Writer.Turn {
        let loading = self.writer.begin(work, self.circumstances())
        guard case .load(let ids) = loading.call, ids == [conversationID] else {
            Issue.record("it did not load: \(loading)")
            return loading
        }
        return self.writer.resume(.loaded([self.state(head: head)]), self.circumstances())
    }

    @Test("Load, append, answer, deliver; and nothing is answered before the database has answered")
    mutating func straight() {
        let appending = self.load([self.work(1, submit(1))], head: 4)
        #expect(appending.effects.isEmpty)
        guard case .append(let batch, let epoch) = appending.call else {
            Issue.record("\(appending)")
            return
        }
        #expect(batch.rowCount == 1)
        #expect(epoch == 1)
        let end = self.writer.resume(.appended(.stored(stale: [])), self.circumstances())
        #expect(end.call == nil)
        #expect(end.effects.accepted.map(\.seq) == [5])
        #expect(end.effects.delivered == [5])
    }

    @Test("A lost connection: nobody is told anything until the database says what became of it")
    mutating func unknownOutcome() {
        _ = self.load([self.work(1, submit(1))])
        let lost = self.writer.resume(.failed(StorageError(.outcomeUnknown, "cut")), self.circumstances())
        #expect(lost.effects.isEmpty && lost.call == nil)
        #expect(self.writer.hasUnsettled)

        // The database is away: still nothing.
        let again = self.writer.begin([], self.circumstances())
        guard case .load = again.call else { return note("\(again)") }
        let away = self.writer.resume(.failed(StorageError(.unavailable, "away")), self.circumstances())
        #expect(away.effects.isEmpty && self.writer.hasUnsettled)

        // It is back, and the message is not there: the lost transaction may still commit, so still nothing.
        _ = self.writer.begin([], self.circumstances())
        let looking = self.writer.resume(.loaded([self.state()]), self.circumstances())
        guard case .lookBack(let keys) = looking.call, keys.count == 1 else { return note("\(looking)") }
        let storing = self.writer.resume(.lookedBack([:]), self.circumstances())
        guard case .append = storing.call, storing.effects.isEmpty else { return note("\(storing)") }
        let awayAgain = self.writer.resume(.failed(StorageError(.unavailable, "away")), self.circumstances())
        #expect(awayAgain.effects.isEmpty, "what may commit later is not refused")
        #expect(self.writer.hasUnsettled)

        // The lost one has committed meanwhile.
        let message = Message(submit(1), seq: 1, createdAt: start)
        _ = self.writer.begin([], self.circumstances())
        let found = self.writer.resume(.lookedBack([MessageKey(message): message]), self.circumstances())
        #expect(found.call == nil)
        #expect(found.effects.accepted == [Accepted(seq: 1, createdAt: start, duplicate: true)])
        #expect(found.effects.delivered == [1], "whoever stored it may not have delivered it")
        #expect(!self.writer.hasUnsettled)
    }

    @Test("What is found stored is delivered once more, but not to who joined after it")
    mutating func foundIsNotForNewcomers() {
        let state = Storage.ConversationState(
            conversation: conversation(head: 4),
            members: [Member(user: user(1), role: .owner), Member(user: user(2), role: .member, joinedSeq: 3)],
            membersVersion: 2
        )
        _ = self.writer.begin([self.work(1, submit(1)), self.work(2, submit(2))], self.circumstances())
        _ = self.writer.resume(.loaded([state]), self.circumstances())
        _ = self.writer.resume(.appended(.duplicateClientMessageID), self.circumstances())
        let (old, new) = (
            Message(submit(1), seq: 3, createdAt: start), Message(submit(2), seq: 4, createdAt: start)
        )
        let found = self.writer.resume(
            .lookedBack([MessageKey(old): old, MessageKey(new): new]),
            self.circumstances()
        )
        let told = found.effects.parcels.map { $0.recipients(among: [user(1), user(2)]) }
        #expect(told == [[user(1)], [user(1), user(2)]])
    }

    @Test("Until its time is up; then the answer is that nobody knows")
    mutating func unknownUntilTheEnd() {
        _ = self.load([self.work(1, submit(1))])
        _ = self.writer.resume(.failed(StorageError(.outcomeUnknown, "cut")), self.circumstances())
        let end = self.writer.begin([], self.circumstances(at: 11))
        #expect(end.effects.failures == [.outcomeUnknown])
        #expect(end.effects.contains { if case .untold = $0 { true } else { false } }, "it may be stored")
        #expect(!self.writer.hasUnsettled)
    }

    @Test("A refused epoch: the view is read, and what belongs to another router is sent there")
    mutating func staleEpoch() {
        _ = self.load([self.work(1, submit(1))])
        let refused = self.writer.resume(.failed(StorageError(.staleEpoch, "")), self.circumstances())
        guard case .readView = refused.call else { return note("\(refused)") }
        let moved = self.writer.resume(.viewRead, self.circumstances(epoch: 2, owner: "r2"))
        #expect(moved.call == nil)
        guard case .moved(1) = moved.effects.first, moved.effects.count == 1 else { return note("\(moved)") }
    }

    @Test("A refused epoch with the slot still one's own: it is stored under the new one")
    mutating func newEpoch() {
        _ = self.load([self.work(1, submit(1))])
        _ = self.writer.resume(.failed(StorageError(.staleEpoch, "")), self.circumstances())
        let again = self.writer.resume(.viewRead, self.circumstances(epoch: 2))
        guard case .append(_, epoch: 2) = again.call else { return note("\(again)") }
    }

    @Test("A view in between was missed: what is in memory is not trusted")
    mutating func missedView() {
        _ = self.load([self.work(1, submit(1))])
        _ = self.writer.resume(.appended(.stored(stale: [])), self.circumstances())
        let next = self.writer.begin([self.work(2, submit(2))], self.circumstances(epoch: 3))
        guard case .load = next.call else { return note("\(next)") }
    }

    @Test("One message that the database refuses does not take down those beside it")
    mutating func poison() {
        let turn = self.load([self.work(1, submit(1)), self.work(2, submit(2))])
        guard case .append(let batch, _) = turn.call, batch.rowCount == 2 else { return note("\(turn)") }
        let first = self.writer.resume(.failed(StorageError(.internal, "refused")), self.circumstances())
        guard case .append(let alone, _) = first.call, alone.rowCount == 1 else { return note("\(first)") }
        let second = self.writer.resume(.failed(StorageError(.internal, "refused")), self.circumstances())
        #expect(second.effects.failures == [.internal])
        guard case .append = second.call else { return note("\(second)") }
        let end = self.writer.resume(.appended(.stored(stale: [])), self.circumstances())
        #expect(end.effects.accepted.map(\.seq) == [1])
    }

    @Test("Without a view, and with one that another router owns, nothing is begun")
    mutating func notOwned() {
        let without = self.writer.begin([self.work(1, submit(1))], self.circumstances(epoch: nil))
        #expect(without.effects.failures == [.unavailable] && without.call == nil)
        let other = self.writer.begin([self.work(2, submit(2))], self.circumstances(owner: "r2"))
        guard case .moved(2) = other.effects.first, other.call == nil else { return note("\(other)") }
    }
}

private func note(_ turn: String) {
    Issue.record("unexpected: \(turn)")
}

extension [Writer.Effect] {
    fileprivate var accepted: [Accepted] {
        self.compactMap { if case .accepted(_, let accepted) = $0 { accepted } else { nil } }
    }

    fileprivate var failures: [ErrorCode] {
        self.compactMap { if case .failed(_, let failure) = $0 { failure.code } else { nil } }
    }

    fileprivate var parcels: [Parcel] {
        self.flatMap { effect -> [Parcel] in
            if case .deliver(let parcels) = effect { parcels } else { [] }
        }
    }

    fileprivate var delivered: [UInt64] {
        self.parcels.compactMap { if case .message(let message) = $0.content { message.seq } else { nil } }
    }
}
