// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Testing
import Wire

@testable import Router

@Suite("Receipts: merged, stored, and told only then")
struct ReceiptTests {
    private var writer = Writer(conversationsMax: 100, receiptMembersMax: 3)

    private func circumstances(epoch: UInt64 = 1, owner: String = "r1", at seconds: Int64 = 0) -> Writer.Circumstances {
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["s"]) { table.adopt(map) }
        table.adopt(View(shard: "s", epoch: epoch, routers: [owner]))
        return Writer.Circumstances(
            now: .uptimeNanoseconds(0) + .seconds(seconds),
            wallClock: start,
            ownership: SlotOwnership(own: RouterLife(name: "r1", incarnation: ""), shard: "s", table: table)
        )
    }

    private func receipts(
        _ ticket: UInt64,
        _ entries: [(UInt64, UInt64, UInt64)],
        in conversation: ConversationID = conversationID
    ) -> Writer.Work {
        .receipts(
            ticket,
            Slot(of: conversation.value),
            StoreReceipts(conversation: conversation, entries: entries.map { self.entry($0.0, $0.1, $0.2) }),
            deadline: .uptimeNanoseconds(0) + .seconds(10)
        )
    }

    private func entry(_ number: UInt64, _ delivered: UInt64, _ read: UInt64) -> MemberWatermarks {
        MemberWatermarks(user: user(number), watermarks: Watermarks(delivered: delivered, read: read))
    }

    private func state(head: UInt64, members count: UInt64 = 2) -> Storage.ConversationState {
        Storage.ConversationState(
            conversation: conversation(head: head),
            members: (1...count).map { Member(user: user($0), role: .member) },
            membersVersion: 1
        )
    }

    /// Goes on to the statement, and answers it with what is asked for.
    private mutating func store(_ work: [Writer.Work], head: UInt64 = 9, members: UInt64 = 2) -> Writer.Turn {
        var turn = self.writer.begin(work, self.circumstances())
        if case .load = turn.call {
            turn = self.writer.resume(.loaded([self.state(head: head, members: members)]), self.circumstances())
        }
        guard case .storeReceipts(let batch, epoch: 1) = turn.call else { return turn }
        #expect(turn.effects.isEmpty, "nothing is said before it is stored")
        return self.writer.resume(.receiptsStored(batch.rows), self.circumstances())
    }

    @Test("Receipts of many edges become one row for each member; each is answered, the members are told once")
    mutating func merged() {
        let loading = self.writer.begin(
            [self.receipts(1, [(1, 3, 0)]), self.receipts(2, [(1, 5, 2), (2, 4, 4)]), self.receipts(3, [(1, 4, 0)])],
            self.circumstances()
        )
        guard case .load(let ids) = loading.call, ids == [conversationID] else { return note("\(loading)") }
        let storing = self.writer.resume(.loaded([self.state(head: 9)]), self.circumstances())
        guard case .storeReceipts(let batch, epoch: 1) = storing.call else { return note("\(storing)") }
        #expect(batch.rowCount == 2)
        let end = self.writer.resume(.receiptsStored(batch.rows), self.circumstances())
        #expect(
            end.effects.answers == [
                1: [self.entry(1, 5, 2)], 2: [self.entry(1, 5, 2), self.entry(2, 4, 4)], 3: [self.entry(1, 5, 2)],
            ]
        )
        #expect(end.effects.told == [[self.entry(1, 5, 2), self.entry(2, 4, 4)]])
        #expect(end.call == nil)
    }

    @Test("What was told once needs no transaction and is not told again; only what grew is told")
    mutating func repeated() {
        _ = self.store([self.receipts(1, [(1, 5, 2)])])
        let again = self.writer.begin(
            [self.receipts(2, [(1, 5, 0)]), self.receipts(3, [(1, 2, 2)])],
            self.circumstances()
        )
        #expect(again.call == nil)
        #expect(again.effects.answers == [2: [self.entry(1, 5, 2)], 3: [self.entry(1, 5, 2)]])
        #expect(again.effects.told.isEmpty)
        let delivered = self.store([self.receipts(4, [(1, 7, 0)])])
        #expect(delivered.effects.told == [[self.entry(1, 7, 0)]])
        let read = self.store([self.receipts(5, [(1, 0, 4)])])
        #expect(read.effects.told == [[self.entry(1, 4, 4)]])
        let both = self.store([self.receipts(6, [(1, 8, 8)])])
        #expect(both.effects.told == [[self.entry(1, 8, 8)]])
    }

    @Test("After a load the first receipt is told even when it was stored before: nobody knows whether it was told")
    mutating func untold() {
        let loading = self.writer.begin([self.receipts(1, [(1, 5, 5)])], self.circumstances())
        guard case .load = loading.call else { return note("\(loading)") }
        var state = self.state(head: 9)
        state.members[0].watermarks = Watermarks(delivered: 6, read: 6)
        let storing = self.writer.resume(.loaded([state]), self.circumstances())
        guard case .storeReceipts(let batch, _) = storing.call else { return note("\(storing)") }
        let key = MemberKey(conversation: conversationID, user: user(1))
        #expect(batch.rows == [key: Watermarks(delivered: 5, read: 5)])
        let end = self.writer.resume(.receiptsStored([key: state.members[0].watermarks]), self.circumstances())
        #expect(end.effects.told == [[self.entry(1, 6, 6)]])
        #expect(end.effects.answers == [1: [self.entry(1, 6, 6)]])
    }

    @Test("Beyond the newest message: the database is asked what that is, and what no message has counts for nothing")
    mutating func beyond() {
        _ = self.store([self.receipts(1, [(1, 5, 2)])], head: 9)
        let loading = self.writer.begin([self.receipts(2, [(1, 12, 12), (2, 9, 0)])], self.circumstances())
        guard case .load = loading.call else { return note("\(loading)") }
        let storing = self.writer.resume(.loaded([self.state(head: 11)]), self.circumstances())
        guard case .storeReceipts(let batch, _) = storing.call else { return note("\(storing)") }
        #expect(batch.rows.keys.map(\.user) == [user(2)])
        let end = self.writer.resume(.receiptsStored(batch.rows), self.circumstances())
        #expect(end.effects.answers == [2: [self.entry(1, 5, 2), self.entry(2, 9, 0)]])
        // Another router numbered more while this one did not look.
        let known = self.writer.begin([self.receipts(3, [(1, 11, 11)])], self.circumstances())
        guard case .storeReceipts = known.call else { return note("\(known)") }
    }

    @Test("Who is no member is left out of the answer, and so is everybody of a conversation that there is not")
    mutating func strangers() {
        let end = self.store([self.receipts(1, [(1, 5, 2), (7, 5, 5)])])
        #expect(end.effects.answers == [1: [self.entry(1, 5, 2)]])
        let other = ConversationID(value: 0xC1)
        let loading = self.writer.begin([self.receipts(2, [(1, 1, 1)], in: other)], self.circumstances())
        guard case .load = loading.call else { return note("\(loading)") }
        let none = self.writer.resume(.loaded([]), self.circumstances())
        #expect(none.effects.answers == [2: []] && none.call == nil)
    }

    @Test("In a conversation over the size only the member's own devices are told, and only of what was read")
    mutating func large() {
        let end = self.store([self.receipts(1, [(1, 5, 0), (2, 6, 3)])], members: 4)
        #expect(end.effects.privatelyTold == [[self.entry(2, 6, 3)]])
        #expect(end.effects.told.isEmpty)
        let delivered = self.store([self.receipts(2, [(2, 8, 0)])], members: 4)
        #expect(delivered.effects.answers == [2: [self.entry(2, 8, 3)]])
        #expect(delivered.effects.privatelyTold.isEmpty)
    }

    @Test("Messages come first, then all receipts in one statement")
    mutating func messagesFirst() {
        let submitted = Writer.Work.submit(
            1,
            Slot(of: conversationID.value),
            submit(1),
            deadline: .uptimeNanoseconds(0) + .seconds(10)
        )
        let work = [self.receipts(2, [(2, 1, 1)]), submitted, self.receipts(3, [(1, 1, 0)])]
        _ = self.writer.begin(work, self.circumstances())
        let appending = self.writer.resume(.loaded([self.state(head: 0)]), self.circumstances())
        guard case .append = appending.call else { return note("\(appending)") }
        let storing = self.writer.resume(.appended(.stored(stale: [])), self.circumstances())
        guard case .storeReceipts(let batch, _) = storing.call else { return note("\(storing)") }
        #expect(batch.rowCount == 2, "the message that is numbered in the same turn can be read in it")
    }

    @Test("A lost connection, a new view, a time that is up")
    mutating func failures() {
        _ = self.store([self.receipts(1, [(1, 5, 2)])])
        var turn = self.writer.begin([self.receipts(2, [(1, 6, 6)])], self.circumstances())
        for _ in 0..<2 {
            turn = self.writer.resume(.failed(StorageError(.outcomeUnknown, "cut")), self.circumstances())
            guard case .storeReceipts = turn.call, turn.effects.isEmpty else { return note("\(turn)") }
        }
        turn = self.writer.resume(.failed(StorageError(.unavailable, "away")), self.circumstances())
        #expect(turn.effects.failures == [2: .outcomeUnknown], "it may be stored")
        turn = self.writer.begin([self.receipts(3, [(1, 6, 6)])], self.circumstances())
        turn = self.writer.resume(.failed(StorageError(.unavailable, "away")), self.circumstances())
        #expect(turn.effects.failures == [3: .unavailable], "it is not stored")
        turn = self.writer.begin([self.receipts(4, [(1, 6, 6)])], self.circumstances())
        turn = self.writer.resume(.failed(StorageError(.staleEpoch, "")), self.circumstances())
        guard case .readView = turn.call else { return note("\(turn)") }
        turn = self.writer.resume(.viewRead, self.circumstances(epoch: 2, owner: "r2"))
        guard case .moved(4) = turn.effects.first, turn.call == nil else { return note("\(turn)") }
        turn = self.writer.begin([self.receipts(5, [(1, 6, 6)])], self.circumstances(at: 11))
        #expect(turn.effects.failures == [5: .unavailable] && turn.call == nil)
    }

    @Test("More members than one statement takes go into the next")
    mutating func bound() {
        let count = UInt64(ReceiptPlan.rowsMax) + 200
        let members = (1...count).map { Member(user: user($0), role: .member) }
        let work = stride(from: UInt64(1), through: count, by: 200).map { first in
            self.receipts(first, (first..<min(first + 200, count + 1)).map { ($0, 1, 1) })
        }
        _ = self.writer.begin(work, self.circumstances())
        let state = Storage.ConversationState(
            conversation: conversation(head: 1),
            members: members,
            membersVersion: 1
        )
        var turn = self.writer.resume(.loaded([state]), self.circumstances())
        var rows: [Int] = []
        while case .storeReceipts(let batch, _) = turn.call {
            rows.append(batch.rowCount)
            turn = self.writer.resume(.receiptsStored(batch.rows), self.circumstances())
        }
        #expect(rows.count == 2 && rows.reduce(0, +) == Int(count), "\(rows)")
    }

    @Test(
        "Under any faults: nothing is told or answered that is not stored, and in the end everything is",
        arguments: 0..<24
    )
    func model(round: Int) {
        var model = ReceiptModel(seed: 0xEC31_0000 + UInt64(round))
        for _ in 0..<150 { model.step() }
        model.settle()
        #expect(model.answered > 0 && model.statements > 0)
    }

    @Test("A conversation that is asked for is not let go to make room for another")
    mutating func room() {
        self.writer = Writer(conversationsMax: 2)
        let ids = (1...6).map { ConversationID(value: UInt128($0)) }
        func state(_ id: ConversationID) -> Storage.ConversationState {
            Storage.ConversationState(
                conversation: conversation(id),
                members: [Member(user: user(1), role: .owner)],
                membersVersion: 1
            )
        }
        for count in [2, 6] {
            let work = ids.prefix(count).enumerated().map { number, id in
                Writer.Work.submit(
                    UInt64(count * 10 + number),
                    Slot(of: id.value),
                    submit(UInt64(count * 10 + number), to: id),
                    deadline: .uptimeNanoseconds(0) + .seconds(10)
                )
            }
            let loading = self.writer.begin(work, self.circumstances())
            guard case .load(let unknown) = loading.call else { return note("\(loading)") }
            let appending = self.writer.resume(.loaded(unknown.map(state)), self.circumstances())
            #expect(appending.effects.failures.isEmpty, "a conversation that exists is not refused")
            _ = self.writer.resume(.appended(.stored(stale: [])), self.circumstances())
        }
    }
}

private func note(_ turn: String) {
    Issue.record("unexpected: \(turn)")
}

extension [Writer.Effect] {
    fileprivate var answers: [UInt64: [MemberWatermarks]] {
        self.reduce(into: [:]) { if case .receiptsStored(let ticket, let answer) = $1 { $0[ticket] = answer.entries } }
    }

    fileprivate var failures: [UInt64: ErrorCode] {
        self.reduce(into: [:]) { if case .failed(let ticket, let failure) = $1 { $0[ticket] = failure.code } }
    }

    fileprivate var told: [[MemberWatermarks]] { self.parcels(isPrivate: false) }
    fileprivate var privatelyTold: [[MemberWatermarks]] { self.parcels(isPrivate: true) }

    private func parcels(isPrivate: Bool) -> [[MemberWatermarks]] {
        self.flatMap { effect -> [[MemberWatermarks]] in
            guard case .deliver(let parcels) = effect else { return [] }
            return parcels.compactMap { parcel in
                guard case .receipts(let entries, isPrivate) = parcel.content else { return nil }
                return entries
            }
        }
    }
}
