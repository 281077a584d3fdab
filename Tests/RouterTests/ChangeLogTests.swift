// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Testing
import Wire

@testable import Router

@Suite("The log of changes")
struct ChangeLogTests {
    private static func id(_ number: Int) -> ConversationID { ConversationID(value: UInt128(number) << 64 | 7) }

    private func owning(_ bounds: ChangeLog.Bounds = ChangeLog.Bounds()) -> ChangeLog {
        var log = ChangeLog(bounds: bounds)
        _ = log.ownershipChanged(own: .all, continued: SlotSet())
        return log
    }

    @Test("It tells what changed after a position, with the head, and nothing that did not")
    func tells() {
        var log = self.owning()
        let since = log.position
        log.record(Self.id(1), headSeq: 4, members: members([1: .owner, 2: .member]))
        log.record(Self.id(2), headSeq: 1, members: members([3: .owner]))
        let middle = log.position
        log.record(Self.id(1), headSeq: 5, members: members([1: .owner, 2: .member]))
        let all = log.changes(for: user(2), since: since)
        #expect(all.changed.map(\.headSeq) == [5])
        #expect(all.complete.count == Slot.count)
        #expect(log.changes(for: user(3), since: middle).changed.isEmpty)
        #expect(log.changes(for: user(2), since: log.position).changed.isEmpty)
        #expect(log.changes(for: user(9), since: since).changed.isEmpty)
        // A position that was never given is that of another life.
        #expect(log.changes(for: user(2), since: log.position + 1).hasForgotten)
    }

    @Test("Who was removed is told so, unless added again; so is everybody when the conversation is deleted")
    func removals() {
        var log = self.owning()
        let since = log.position
        let both = members([1: .owner, 2: .member])
        let one = members([1: .owner], version: 2)
        log.record(Self.id(1), headSeq: 1, members: both)
        log.record(Self.id(1), headSeq: 1, members: one, removed: [user(2)], of: .update)
        #expect(log.changes(for: user(2), since: since).changed.map(\.isRemoved) == [true])
        #expect(log.changes(for: user(1), since: since).changed.map(\.isUpdated) == [true])
        let removed = log.position
        log.record(Self.id(1), headSeq: 2, members: one)
        #expect(log.changes(for: user(2), since: removed).changed.isEmpty)
        #expect(log.changes(for: user(1), since: removed).changed.map(\.isUpdated) == [false])
        log.record(Self.id(1), headSeq: 2, members: members([1: .owner, 2: .member], version: 3), of: .update)
        #expect(log.changes(for: user(2), since: since).changed.map(\.isRemoved) == [false])
        let before = log.position
        log.record(Self.id(1), headSeq: 2, members: both, isDeleted: true, of: .update)
        for number in 1...2 as ClosedRange<UInt64> {
            #expect(log.changes(for: user(number), since: before).changed.map(\.isRemoved) == [true])
        }
    }

    @Test("Receipts alone are a change; they say nothing of the head, and bring nothing deleted back")
    func receipts() {
        var log = self.owning()
        let since = log.position
        let both = members([1: .owner, 2: .member])
        log.record(Self.id(1), headSeq: 0, members: both, of: .receipts)
        let first = log.changes(for: user(2), since: since).changed
        #expect(first.map(\.hasReceipts) == [true])
        #expect(first.map(\.headSeq) == [0] && first.map(\.isUpdated) == [false])
        let after = log.position
        log.record(Self.id(1), headSeq: 7, members: both)
        #expect(log.changes(for: user(2), since: after).changed.map(\.hasReceipts) == [false])
        let middle = log.position
        log.record(Self.id(1), headSeq: 0, members: both, of: .receipts)
        let last = log.changes(for: user(2), since: middle).changed
        #expect(last.map(\.hasReceipts) == [true] && last.map(\.headSeq) == [7])
        log.record(Self.id(1), headSeq: 7, members: both, isDeleted: true, of: .update)
        log.record(Self.id(1), headSeq: 0, members: both, of: .receipts)
        #expect(log.changes(for: user(2), since: middle).changed.map(\.isRemoved) == [true])
    }

    @Test("A slot is answered for only since it is owned without interruption")
    func ownership() throws {
        var log = ChangeLog()
        let mine = try #require(Slot(5))
        let other = try #require(Slot(6))
        let first = log.position
        #expect(log.changes(for: user(1), since: first).complete.isEmpty)
        let arrival = log.ownershipChanged(own: SlotSet { $0 == mine }, continued: .all)
        let came = try #require(arrival)
        // Whoever had everything before the slot came knows nothing of what others did in it.
        #expect(log.changes(for: user(1), since: first).complete.isEmpty)
        #expect(log.changes(for: user(1), since: came).complete.contains(mine))
        let again = log.ownershipChanged(own: SlotSet { $0 == mine }, continued: .all)
        #expect(again == nil)
        log.record(Self.id(1), headSeq: 1, members: members([1: .owner]))
        let middle = log.position
        _ = log.ownershipChanged(own: SlotSet { $0 == mine || $0 == other }, continued: .all)
        #expect(log.changes(for: user(1), since: middle).complete.contains(mine))
        #expect(!log.changes(for: user(1), since: middle).complete.contains(other))
        // Away and back, and away in a view that was missed.
        _ = log.ownershipChanged(own: SlotSet { $0 == other }, continued: .all)
        _ = log.ownershipChanged(own: .all, continued: SlotSet { $0 == mine })
        let answer = log.changes(for: user(1), since: middle)
        #expect(answer.complete.isEmpty)
        #expect(log.changes(for: user(1), since: log.position).complete.count == Slot.count)
    }

    @Test("Random changes against a model: nothing is left out, whatever is forgotten, moved or large")
    func model() {
        for seed in 0..<20 as Range<UInt64> {
            self.run(seed: seed)
        }
    }

    private struct Model {
        /// Of every change: whom it concerned.
        var changes: [(position: UInt64, conversation: ConversationID, head: UInt64, users: Set<UserID>)] = []
        var members: [ConversationID: Set<UInt64>] = [:]
        var versions: [ConversationID: UInt64] = [:]
        var heads: [ConversationID: UInt64] = [:]
    }

    private func run(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var bounds = ChangeLog.Bounds()
        bounds.conversationsMax = Int.random(in: 5...60, using: &random)
        bounds.indexedMembersMax = Int.random(in: 20...200, using: &random)
        bounds.indexedMembersPerConversationMax = 4
        bounds.largeConversationsMax = Int.random(in: 1...10, using: &random)
        bounds.removedPerConversationMax = 2
        var log = self.owning(bounds)
        var model = Model()
        var owned = Set((0..<Slot.count).compactMap { Slot($0) })
        /// By slot the position at which it last came.
        var came: [Slot: UInt64] = [:]
        var tokens: [UInt64] = [log.position]
        for _ in 0..<600 {
            switch UInt8.random(in: 0..<20, using: &random) {
            case 0:
                let kept = owned.filter { _ in UInt8.random(in: 0..<8, using: &random) > 0 }
                let next = kept.union((0..<20).compactMap { _ in Slot(UInt16.random(in: 0..<4096, using: &random)) })
                let position = log.ownershipChanged(own: SlotSet { next.contains($0) }, continued: .all)
                for slot in next.subtracting(owned) { came[slot] = position }
                owned = next
            case 1...3: tokens.append(log.position)
            default: self.change(&log, &model, using: &random)
            }
            self.check(log, model, owned, came, tokens.randomElement(using: &random) ?? 0, seed, using: &random)
        }
    }

    private func change(_ log: inout ChangeLog, _ model: inout Model, using random: inout SeededGenerator) {
        let conversation = Self.id(Int.random(in: 0..<80, using: &random))
        let before = model.members[conversation] ?? []
        var now = before
        let isMessage = !before.isEmpty && UInt8.random(in: 0..<4, using: &random) > 0
        if !isMessage {
            now = Set(
                (0..<Int.random(in: 1...8, using: &random)).map { _ in UInt64.random(in: 1...12, using: &random) }
            )
            model.versions[conversation, default: 0] += 1
        } else {
            model.heads[conversation, default: 0] += 1
        }
        let gone = before.subtracting(now)
        let list = members(
            Dictionary(uniqueKeysWithValues: now.map { ($0, MemberRole.member) }),
            version: model.versions[conversation] ?? 1
        )
        let head = model.heads[conversation] ?? 0
        let position = log.record(
            conversation,
            headSeq: head,
            members: list,
            removed: gone.map { user($0) },
            of: isMessage ? .message : .update
        )
        model.members[conversation] = now
        model.changes.append((position, conversation, head, Set(now.union(gone).map { user($0) })))
    }

    private func check(
        _ log: ChangeLog,
        _ model: Model,
        _ owned: Set<Slot>,
        _ came: [Slot: UInt64],
        _ since: UInt64,
        _ seed: UInt64,
        using random: inout SeededGenerator
    ) {
        let number = UInt64.random(in: 1...12, using: &random)
        let answer = log.changes(for: user(number), since: since)
        for slot in owned {
            let isVouched = answer.complete.contains(slot)
            if isVouched { #expect((came[slot] ?? 0) <= since, "seed \(seed)") }
        }
        guard !answer.hasForgotten else { return }
        let told = Dictionary(answer.changed.map { ($0.conversation, $0) }, uniquingKeysWith: { first, _ in first })
        #expect(told.count == answer.changed.count, "seed \(seed)")
        for change in model.changes where change.position > since && change.users.contains(user(number)) {
            let isMember = model.members[change.conversation]?.contains(number) ?? false
            guard let known = told[change.conversation] else {
                Issue.record("seed \(seed): \(change.conversation) is not told since \(since)")
                return
            }
            #expect(known.isRemoved == !isMember, "seed \(seed)")
            #expect(known.headSeq >= change.head, "seed \(seed)")
        }
        for conversation in told.keys {
            #expect(model.changes.contains { $0.position > since && $0.conversation == conversation }, "seed \(seed)")
        }
    }

    @Test("Positions settle in order, however they are finished")
    func settled() {
        for seed in 0..<20 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var positions = SettledPositions()
            var open: Set<UInt64> = []
            var last: UInt64 = 0
            for _ in 0..<4000 {
                if Bool.random(using: &random) || open.isEmpty {
                    last += 1
                    positions.began()
                    open.insert(last)
                } else if let next = UInt8.random(in: 0..<3, using: &random) == 0
                    ? open.randomElement(using: &random) : open.min()
                {
                    open.remove(next)
                    positions.finished(next)
                    positions.finished(next)
                }
                #expect(positions.settled == (open.min() ?? last + 1) - 1, "seed \(seed)")
                #expect(positions.count >= open.count)
            }
        }
    }
}
