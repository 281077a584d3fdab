// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Testing
import Wire

@testable import Router

@Suite("Sequencer")
struct SequencerTests {
    private func sequencer(head: UInt64 = 0, kind: ConversationKind = .group) -> Sequencer {
        var sequencer = Sequencer(conversationsMax: 100)
        sequencer.loaded(
            slot: Slot(of: conversationID.value),
            conversation: conversation(kind: kind, head: head),
            members: members([1: .owner, 2: .member])
        )
        return sequencer
    }

    @Test("Messages are numbered from the head on, in the order they came")
    func numbersFollowTheHead() throws {
        var sequencer = self.sequencer(head: 7)
        let plan = sequencer.plan([item(1, submit(1)), item(2, submit(2, from: 2))], now: start)
        #expect(plan.answers.isEmpty)
        #expect(plan.numbered.map(\.message.seq) == [8, 9])
        let move = try #require(plan.heads[conversationID])
        #expect(move.expected == 7)
        #expect(move.new == 9)

        let outcome = sequencer.committed(plan, stale: [])
        #expect(outcome.answers.map(\.ticket) == [1, 2])
        #expect(outcome.deliveries.map(\.message.seq) == [8, 9])
        #expect(sequencer[conversationID]?.conversation.headSeq == 9)
    }

    @Test("A plan that was not committed leaves no gap")
    func failedPlanLeavesNoTrace() {
        let sequencer = self.sequencer()
        _ = sequencer.plan([item(1, submit(1))], now: start)
        #expect(sequencer.plan([item(2, submit(2))], now: start).numbered.map(\.message.seq) == [1])
    }

    @Test("A repeat is answered with the first one's number and time")
    func repeatIsADuplicate() {
        var sequencer = self.sequencer()
        _ = sequencer.committed(sequencer.plan([item(1, submit(1))], now: start), stale: [])
        let plan = sequencer.plan([item(2, submit(1, body: "other"))], now: start + 5000)
        #expect(plan.numbered.isEmpty)
        #expect(plan.answers.count == 1)
        #expect(
            plan.answers.first?.answer == .accepted(Accepted(seq: 1, createdAt: start, duplicate: true))
        )
    }

    @Test("A repeat in the same batch is stored once and answered twice")
    func repeatInTheSameBatch() {
        var sequencer = self.sequencer()
        let plan = sequencer.plan([item(1, submit(1)), item(2, submit(1))], now: start)
        #expect(plan.numbered.count == 1)
        let outcome = sequencer.committed(plan, stale: [])
        #expect(outcome.deliveries.count == 1)
        #expect(outcome.answers.map(\.ticket) == [1, 2])
        #expect(outcome.answers.last?.answer == .accepted(Accepted(seq: 1, createdAt: start, duplicate: true)))
    }

    @Test("The same client message id of two senders is two messages")
    func idsBelongToTheirSender() {
        let plan = self.sequencer().plan([item(1, submit(1, from: 1)), item(2, submit(1, from: 2))], now: start)
        #expect(plan.numbered.map(\.message.seq) == [1, 2])
    }

    @Test("A conversation whose head moved elsewhere is loaded and planned again")
    func staleHeadIsPlannedAgain() {
        var sequencer = self.sequencer(head: 3)
        let plan = sequencer.plan([item(1, submit(1)), item(2, submit(1))], now: start)
        let outcome = sequencer.committed(plan, stale: [conversationID])
        #expect(outcome.answers.isEmpty)
        #expect(outcome.deliveries.isEmpty)
        #expect(outcome.again.map(\.ticket) == [1, 2])
        #expect(sequencer.unknownConversations(in: outcome.again) == [conversationID])
    }

    @Test("An id that the database knows is answered, not stored again")
    func foundInTheDatabase() {
        var sequencer = self.sequencer(head: 9)
        let known = submit(1)
        let id = SenderMessageID(sender: known.sender, clientMessageID: known.clientMessageID)
        sequencer.found(id, in: conversationID, at: StoredPlace(seq: 4, createdAt: start - 10))
        let plan = sequencer.plan([item(1, known)], now: start)
        #expect(
            plan.answers.first?.answer == .accepted(Accepted(seq: 4, createdAt: start - 10, duplicate: true))
        )
    }

    @Test("A message does not overtake the one its client sent before: it waits until that one has its number")
    func previousComesFirst() {
        var sequencer = self.sequencer()
        var second = submit(2)
        second.previous = submit(1).clientMessageID
        let alone = sequencer.plan([item(2, second)], now: start)
        #expect(alone.numbered.isEmpty)
        #expect(alone.answers.map(\.answer) == [.outOfOrder])
        #expect(sequencer.plan([item(2, second), item(1, submit(1))], now: start).answers.map(\.ticket) == [2])
        let together = sequencer.plan([item(1, submit(1)), item(2, second)], now: start)
        #expect(together.numbered.map(\.item.ticket) == [1, 2])
        _ = sequencer.committed(sequencer.plan([item(1, submit(1))], now: start), stale: [])
        #expect(sequencer.plan([item(2, second)], now: start).numbered.map(\.message.seq) == [2])
    }

    @Test("Unknown, not a member, and may not post get the same answer")
    func refusalsDoNotTell() {
        let unknown = ConversationID(value: 0xFF)
        let group = self.sequencer().plan([item(1, submit(1, from: 3)), item(2, submit(1, to: unknown))], now: start)
        let channel = self.sequencer(kind: .channel).plan([item(3, submit(1, from: 2))], now: start)
        for answer in (group.answers + channel.answers).map(\.answer) {
            #expect(answer == .failed(.noSuchConversation))
        }
        #expect(group.answers.count + channel.answers.count == 3)
    }

    @Test("A stranger does not learn that an id was used")
    func duplicateOfAFormerMember() {
        var sequencer = self.sequencer()
        _ = sequencer.committed(sequencer.plan([item(1, submit(1, from: 2))], now: start), stale: [])
        sequencer.loaded(
            slot: Slot(of: conversationID.value),
            conversation: conversation(head: 1),
            members: members([1: .owner], version: 2)
        )
        let plan = sequencer.plan([item(2, submit(1, from: 2))], now: start)
        #expect(plan.answers.first?.answer == .failed(.noSuchConversation))
    }

    @Test("Client message ids out of their window are refused")
    func window() {
        let sequencer = self.sequencer()
        let late = sequencer.plan([item(1, submit(1))], now: start + Limits.clientMessageIDAgeMax + 1)
        let early = sequencer.plan([item(2, submit(1))], now: start - Limits.clientMessageIDAheadMax - 1)
        guard case .failed(let tooOld) = late.answers.first?.answer,
            case .failed(let tooNew) = early.answers.first?.answer
        else {
            Issue.record("not refused")
            return
        }
        #expect(tooOld.code == .clientMessageIDTooOld)
        #expect(tooNew.code == .invalidField)
    }

    @Test("Over its bound it lets conversations go and loads them again")
    func bound() {
        var sequencer = Sequencer(conversationsMax: 32)
        for number in 1...200 {
            let id = ConversationID(value: UInt128(number))
            sequencer.loaded(slot: Slot(of: id.value), conversation: conversation(id), members: members([1: .owner]))
        }
        #expect(sequencer.count <= 32)
    }

    @Test("Slots that went to another router are forgotten")
    func keepsOnlyOwnSlots() {
        var sequencer = self.sequencer()
        sequencer.keepOnly { _ in false }
        #expect(sequencer[conversationID] == nil)
    }

    /// Random batches, repeats, lost commits and moved heads against a model of the table.
    @Test("Numbers stay dense and ids unique through any course", arguments: 0..<50 as Range<UInt64>)
    func randomCourse(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var sequencer = Sequencer(conversationsMax: 4)
        var stored: [SenderMessageID: UInt64] = [:]
        var head: UInt64 = 0
        for round in 0..<60 {
            var pending = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                item(UInt64(round), submit(UInt64.random(in: 1...40, using: &random), from: 1))
            }
            while !pending.isEmpty {
                if sequencer[conversationID] == nil {
                    sequencer.loaded(
                        slot: Slot(of: conversationID.value),
                        conversation: conversation(head: head),
                        members: members([1: .owner])
                    )
                }
                let plan = sequencer.plan(pending, now: start)
                if plan.numbered.isEmpty { break }
                let ids = plan.numbered.map(\.item.id)
                if ids.contains(where: { stored[$0] != nil }) {
                    // The unique key refused the transaction.
                    for id in ids {
                        if let seq = stored[id] {
                            sequencer.found(id, in: conversationID, at: StoredPlace(seq: seq, createdAt: start))
                        }
                    }
                    pending = plan.items
                    continue
                }
                if Bool.random(using: &random), Bool.random(using: &random) {
                    // Committed, but the answer was lost: everything in memory is forgotten.
                    for numbered in plan.numbered { stored[numbered.item.id] = numbered.message.seq }
                    head = plan.heads[conversationID]?.new ?? head
                    sequencer.forgetAll()
                    pending = plan.items
                    continue
                }
                #expect(plan.heads[conversationID]?.expected == head, "seed \(seed)")
                for numbered in plan.numbered {
                    #expect(numbered.message.seq == head + 1, "seed \(seed)")
                    #expect(stored.updateValue(numbered.message.seq, forKey: numbered.item.id) == nil, "seed \(seed)")
                    head += 1
                }
                pending = sequencer.committed(plan, stale: []).again
            }
        }
        #expect(Set(stored.values) == Set(1...max(1, head)), "seed \(seed)")
    }
}
