// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Testing
import Wire

@testable import Router

/// A shard's database as far as receipts go, two routers that take turns in owning it, and devices that repeat what was
/// not answered. Everything that can fail does, as the seed says.
struct ReceiptModel {
    struct Receipt: Equatable {
        var conversation: ConversationID
        var entries: [MemberWatermarks]
    }

    private struct Stored {
        var head: UInt64
        var members: [UserID: Watermarks]
        var version: UInt64 = 1
    }

    private struct Node {
        var name: String
        var writer: Writer
        var view: View
        var open: [UInt64: Receipt] = [:]
    }

    let seed: UInt64
    private var random: SeededGenerator
    private var conversations: [ConversationID: Stored] = [:]
    private var view: View
    private var nodes: [Node]
    private var nextTicket: UInt64 = 1
    private var now = NIODeadline.uptimeNanoseconds(0)
    /// Off, everything succeeds.
    private var isFaulty = true
    /// What devices said and have no answer to.
    private var unanswered: [Receipt] = []
    /// The largest numbers that each member was told of others.
    private(set) var told: [MemberKey: Watermarks] = [:]
    private(set) var answered = 0
    private(set) var statements = 0

    static let membersMax = 4

    init(seed: UInt64) {
        self.seed = seed
        self.random = SeededGenerator(seed: seed)
        self.view = View(shard: "s", epoch: 1, routers: ["r1"])
        let view = self.view
        self.nodes = ["r1", "r2"].map {
            Node(name: $0, writer: Writer(conversationsMax: 3, receiptMembersMax: Self.membersMax), view: view)
        }
        for number in 1...5 as ClosedRange<UInt64> {
            // The last one is too large for its receipts to be told to all.
            let count: UInt64 = number == 5 ? 6 : 3
            self.conversations[ConversationID(value: UInt128(number))] = Stored(
                head: 1,
                members: Dictionary(uniqueKeysWithValues: (1...count).map { (user($0), Watermarks.zero) })
            )
        }
    }

    /// Many times cheaper than the macro, which counts here.
    private func expect(_ holds: Bool, _ what: @autoclosure () -> String) {
        if !holds { Issue.record("\(what())") }
    }

    // MARK: - One step

    mutating func step() {
        self.now = self.now + .milliseconds(Int64(Int.random(in: 1...50, using: &self.random)))
        if self.isFaulty { self.disturb() }
        for conversation in self.conversations.keys.sorted() where Int.random(in: 0..<3, using: &self.random) == 0 {
            self.conversations[conversation]?.head += 1
        }
        var receipts = self.unanswered
        self.unanswered = []
        for _ in 0..<Int.random(in: 1...6, using: &self.random) {
            receipts.append(self.newReceipt())
        }
        // Some go to the router whose time is over: the sender does not know better.
        for receipt in receipts.shuffled(using: &self.random) {
            let index = self.isFaulty && Int.random(in: 0..<4, using: &self.random) == 0 ? 0 : self.ownerIndex
            self.nodes[index].open[self.nextTicket] = receipt
            self.nextTicket += 1
        }
        for index in self.nodes.indices {
            self.run(index)
        }
    }

    /// The devices repeat until everything is answered, and nothing fails any more.
    mutating func settle() {
        self.isFaulty = false
        for index in self.nodes.indices { self.nodes[index].view = self.view }
        for _ in 0..<3 { self.step() }
        self.expect(self.unanswered.isEmpty, "seed \(self.seed): not answered \(self.unanswered)")
        for (id, stored) in self.conversations where stored.members.count <= Self.membersMax {
            for (user, watermarks) in stored.members {
                let told = self.told[MemberKey(conversation: id, user: user)] ?? .zero
                self.expect(told == watermarks, "seed \(self.seed): what is stored was told, in the end")
            }
        }
        for (id, stored) in self.conversations where stored.members.count > Self.membersMax {
            for (user, watermarks) in stored.members {
                let told = self.told[MemberKey(conversation: id, user: user)] ?? .zero
                self.expect(
                    told.read == watermarks.read,
                    "seed \(self.seed): of what was read the own devices were told"
                )
            }
        }
    }

    private var ownerIndex: Int { self.view.routers == ["r1"] ? 0 : 1 }

    /// - Parameter isUnderWay: a writer waits for an answer, so none of them is replaced.
    private mutating func disturb(isUnderWay: Bool = false) {
        switch Int.random(in: 0..<12, using: &self.random) {
        case 0:
            let next = self.view.routers == ["r1"] ? "r2" : "r1"
            self.view = View(shard: "s", epoch: self.view.epoch + 1, routers: [next])
        case 1:
            // The same owner again, as when another router came and went.
            self.view = View(shard: "s", epoch: self.view.epoch + 1, routers: self.view.routers)
        case 2, 3, 4:
            let index = Int.random(in: 0..<2, using: &self.random)
            self.nodes[index].view = self.view
        case 5 where !isUnderWay:
            // A router dies and comes back with nothing in memory.
            let index = Int.random(in: 0..<2, using: &self.random)
            self.nodes[index].writer = Writer(conversationsMax: 3, receiptMembersMax: Self.membersMax)
        default:
            break
        }
    }

    private mutating func newReceipt() -> Receipt {
        let id = ConversationID(value: UInt128(Int.random(in: 1...5, using: &self.random)))
        let stored = self.conversations[id] ?? Stored(head: 0, members: [:])
        let users = stored.members.keys.sorted().shuffled(using: &self.random)
        let entries = users.prefix(Int.random(in: 1...3, using: &self.random)).map { user in
            MemberWatermarks(
                user: user,
                watermarks: Watermarks(
                    delivered: UInt64.random(in: 0...stored.head, using: &self.random),
                    read: UInt64.random(in: 0...stored.head, using: &self.random)
                )
            )
        }
        return Receipt(conversation: id, entries: Array(entries))
    }

    // MARK: - The shell of a writer

    private mutating func run(_ index: Int) {
        let open = self.nodes[index].open
        guard !open.isEmpty else { return }
        let work = open.sorted { $0.key < $1.key }.map { ticket, receipt in
            Writer.Work.receipts(
                ticket,
                Slot(of: receipt.conversation.value),
                StoreReceipts(conversation: receipt.conversation, entries: receipt.entries),
                deadline: self.now + .seconds(1)
            )
        }
        var turn = self.nodes[index].writer.begin(work, self.circumstances(index))
        self.check(turn.effects, index)
        while let call = turn.call {
            let answer = self.answer(call, index)
            turn = self.nodes[index].writer.resume(answer, self.circumstances(index))
            self.check(turn.effects, index)
        }
        self.expect(self.nodes[index].open.isEmpty, "seed \(self.seed): every call is answered")
    }

    private func circumstances(_ index: Int) -> Writer.Circumstances {
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["s"]) { table.adopt(map) }
        table.adopt(self.nodes[index].view)
        let life = RouterLife(name: self.nodes[index].name, incarnation: "")
        return Writer.Circumstances(
            now: self.now,
            wallClock: start,
            ownership: SlotOwnership(own: life, shard: "s", table: table)
        )
    }

    private mutating func answer(_ call: Writer.DatabaseCall, _ index: Int) -> Writer.DatabaseAnswer {
        let chance = self.isFaulty ? Int.random(in: 0..<8, using: &self.random) : 7
        switch call {
        case .load(let ids):
            if chance == 0 { return .failed(StorageError(.unavailable, "away")) }
            return .loaded(ids.compactMap { self.load($0) })
        case .storeReceipts(let batch, let epoch):
            self.statements += 1
            if chance == 0 { return .failed(StorageError(.unavailable, "away")) }
            if chance == 1 { return .failed(StorageError(.outcomeUnknown, "lost before")) }
            // The view may change right before the statement.
            if self.isFaulty { self.disturb(isUnderWay: true) }
            guard epoch == self.view.epoch else {
                return chance == 2
                    ? .failed(StorageError(.outcomeUnknown, "lost")) : .failed(StorageError(.staleEpoch, ""))
            }
            let stored = self.store(batch)
            return chance == 2 ? .failed(StorageError(.outcomeUnknown, "lost after")) : .receiptsStored(stored)
        case .readView:
            if chance == 0 { return .failed(StorageError(.unavailable, "away")) }
            self.nodes[index].view = self.view
            return .viewRead
        case .lookBack, .append, .operate:
            Issue.record("a receipt does not ask for \(call)")
            return .failed(StorageError(.internal, ""))
        }
    }

    private func load(_ id: ConversationID) -> Storage.ConversationState? {
        self.conversations[id].map { stored in
            Storage.ConversationState(
                conversation: conversation(id, head: stored.head),
                members: stored.members.sorted { $0.key < $1.key }.map {
                    Member(user: $0.key, role: .member, watermarks: $0.value)
                },
                membersVersion: stored.version
            )
        }
    }

    private mutating func store(_ batch: ReceiptBatch) -> [MemberKey: Watermarks] {
        var answer: [MemberKey: Watermarks] = [:]
        for (key, watermarks) in batch.rows {
            guard let stored = self.conversations[key.conversation], let before = stored.members[key.user] else {
                continue
            }
            self.expect(watermarks.delivered <= stored.head, "seed \(self.seed): no number beyond the newest message")
            self.conversations[key.conversation]?.members[key.user] = before.union(watermarks)
            answer[key] = before.union(watermarks)
        }
        return answer
    }

    // MARK: - What is said

    private mutating func check(_ effects: [Writer.Effect], _ index: Int) {
        for effect in effects {
            switch effect {
            case .receiptsStored(let ticket, let answer):
                guard let receipt = self.nodes[index].open.removeValue(forKey: ticket) else {
                    Issue.record("seed \(self.seed): answered twice")
                    continue
                }
                self.answered += 1
                self.check(answer, receipt)
            case .failed(let ticket, _), .moved(let ticket):
                guard let receipt = self.nodes[index].open.removeValue(forKey: ticket) else {
                    Issue.record("seed \(self.seed): answered twice")
                    continue
                }
                self.unanswered.append(receipt)
            case .deliver(let parcels):
                for parcel in parcels { self.check(parcel) }
            case .accepted, .outOfOrder, .operated, .untold:
                Issue.record("a receipt does not come to \(effect)")
            }
        }
    }

    /// An answer never says less than was asked for, nor more than is stored.
    private func check(_ answer: ReceiptsStored, _ receipt: Receipt) {
        let stored = self.conversations[receipt.conversation]?.members ?? [:]
        self.expect(answer.entries.map(\.user) == receipt.entries.map(\.user), "seed \(self.seed)")
        for (said, asked) in zip(answer.entries, receipt.entries) {
            self.expect(said.watermarks.covers(asked.watermarks), "seed \(self.seed): \(said) for \(asked)")
            self.expect(
                stored[said.user]?.covers(said.watermarks) == true,
                "seed \(self.seed): said more than is stored"
            )
        }
    }

    private mutating func check(_ parcel: Parcel) {
        guard case .receipts(let entries, let isPrivate) = parcel.content else {
            Issue.record("a receipt does not send \(parcel)")
            return
        }
        let stored = self.conversations[parcel.conversation]?.members ?? [:]
        self.expect(isPrivate == (stored.count > Self.membersMax), "seed \(self.seed)")
        for entry in entries {
            self.expect(
                stored[entry.user]?.covers(entry.watermarks) == true,
                "seed \(self.seed): told more than is stored"
            )
            // As a client does: the larger number holds.
            self.told[MemberKey(conversation: parcel.conversation, user: entry.user), default: .zero]
                .formUnion(entry.watermarks)
        }
    }
}
