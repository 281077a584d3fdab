// SPDX-License-Identifier: Apache-2.0

import Messaging
import Operations
import Placement
import Storage
import TestSupport
import Testing

/// A move that is carried out, killed, healed and gone on with, in a model of the shards: every database step is one step of it.
@Suite struct MoveDecisionTests {
    /// What the shards store. Its functions are the transactions of `OperatorSession` and `ShardSession`.
    struct Shards {
        var catalogs: [String: ShardCatalog]
        var held: [String: SlotSet]
        var transfers: [String: [Slot: SlotTransfer]]
        var moves: [String: StoredMove]

        var newest: ShardCatalog {
            get throws { try #require(self.catalogs.values.max { $0.map.version < $1.map.version }) }
        }

        func situation() throws -> MoveSituation {
            let newest = try self.newest
            var move = self.moves.values.max { $0.startedAt < $1.startedAt }
            let wishes = self.moves.values.map(\.wish)
            move?.wish = wishes.contains(.abort) ? .abort : wishes.contains(.pause) ? .pause : .run
            let isUneven =
                self.catalogs.values.contains { $0.map.version != newest.map.version }
                || newest.map.shards.contains { self.moves[$0] != move }
            return MoveSituation(
                catalog: newest,
                held: self.held,
                transfers: self.transfers.mapValues { $0.values.sorted { $0.slot < $1.slot } },
                move: move,
                isUneven: isUneven
            )
        }

        mutating func set(_ group: MoveSituation.Group, _ state: SlotTransfer.State, at shard: String) {
            let peer = shard == group.source ? group.target : group.source
            for slot in group.slots {
                self.transfers[shard]?[slot] = SlotTransfer(slot: slot, peer: peer, state: state, move: .generate())
            }
        }

        mutating func forget(_ group: MoveSituation.Group, at shard: String) {
            for slot in group.slots { self.transfers[shard]?[slot] = nil }
        }

        mutating func hold(_ group: MoveSituation.Group) {
            self.held[group.source]?.subtract(SlotSet(group.slots))
            self.set(group, .held, at: group.source)
        }

        mutating func takeBack(_ group: MoveSituation.Group) {
            self.held[group.source]?.formUnion(SlotSet(group.slots))
            self.set(group, .copying, at: group.source)
        }

        mutating func take(_ group: MoveSituation.Group) throws {
            let next = try #require(self.newest.assigning(group.slots, to: group.target))
            self.held[group.target]?.formUnion(SlotSet(group.slots))
            self.forget(group, at: group.target)
            self.catalogs[group.target] = next
        }

        /// What routers do when no operator is there.
        mutating func heal() throws {
            let situation = try self.situation()
            for group in situation.leaving(.held) { self.takeBack(group) }
            for group in situation.leaving(.given) {
                let receiving = situation.arriving.first { $0.target == group.target && $0.source == group.source }
                guard let receiving, Set(receiving.slots).isSuperset(of: group.slots) else { continue }
                try self.take(group)
            }
        }

        /// No slot is ever in two views; one that is in none is on its way.
        func check(_ comment: Comment) throws {
            let all = self.held.values.reduce(SlotSet()) { $0.union($1) }
            #expect(all.count == self.held.values.reduce(0) { $0 + $1.count }, comment)
            let missing = SlotSet.all.subtracting(all)
            guard !missing.isEmpty else { return }
            let situation = try self.situation()
            let paused = SlotSet((situation.leaving(.held) + situation.leaving(.given)).flatMap(\.slots))
            #expect(missing.subtracting(paused).isEmpty, comment)
        }
    }

    /// Does what was decided, one database step after the other, and may stop after any.
    private func carryOut(
        _ decision: MoveDecision,
        _ shards: inout Shards,
        _ survives: () -> Bool
    ) throws -> Bool {
        var steps: [(inout Shards) throws -> Void] = []
        switch decision {
        case .spread:
            let situation = try shards.situation()
            for shard in situation.catalog.map.shards {
                steps.append { $0.catalogs[shard] = situation.catalog }
                if let move = situation.move { steps.append { $0.moves[shard] = move } }
            }
        case .take(let group): steps = [{ try $0.take(group) }]
        case .keepOldCopy(let group): steps = [{ $0.set(group, .kept, at: group.source) }]
        case .takeBack(let group): steps = [{ $0.takeBack(group) }]
        case .forget(let group, let atSource, let atTarget):
            if atTarget { steps.append { $0.forget(group, at: group.target) } }
            if atSource { steps.append { $0.forget(group, at: group.source) } }
        case .carry(let group):
            steps = [
                { $0.hold(group) }, { $0.set(group, .given, at: group.source) }, { try $0.take(group) },
                { $0.set(group, .kept, at: group.source) },
            ]
        case .begin(let group):
            steps = [{ $0.set(group, .receiving, at: group.target) }, { $0.set(group, .copying, at: group.source) }]
        case .pause, .end:
            steps = shards.moves.keys.sorted().map { shard in { $0.moves[shard] = nil } }
            if decision == .pause { steps = [] }
        }
        for step in steps {
            try step(&shards)
            try shards.check("\(decision)")
            guard survives() else { return false }
        }
        return true
    }

    private func start(_ names: [String], weights: [Int]) throws -> Shards {
        let map = try #require(ShardMap(dealing: names))
        let catalog = ShardCatalog(map: map, weights: weights)
        let plan = try #require(MovePlan(for: catalog))
        let move = StoredMove(
            id: .generate(),
            origin: map.assignment,
            goal: plan.goal,
            wish: .run,
            startedBy: "test",
            startedAt: 1
        )
        return Shards(
            catalogs: Dictionary(uniqueKeysWithValues: names.map { ($0, catalog) }),
            held: Dictionary(uniqueKeysWithValues: names.map { ($0, map.slots(of: $0)) }),
            transfers: Dictionary(uniqueKeysWithValues: names.map { ($0, [:]) }),
            moves: Dictionary(uniqueKeysWithValues: names.map { ($0, move) })
        )
    }

    /// Until the decision is one of these two. Nothing that it decides may come up for ever.
    private func settle(_ shards: inout Shards) throws -> MoveDecision {
        for _ in 0..<1000 {
            let decision = MoveDecision(try shards.situation(), slotsMax: 12)
            _ = try self.carryOut(decision, &shards) { true }
            if decision == .end || decision == .pause { return decision }
        }
        Issue.record("it never ends")
        return .end
    }

    @Test func killedAnywhereHealedOrNotItConverges() throws {
        for seed in 0..<30 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var shards = try self.start(["a", "b", "c"], weights: [100, 104, Bool.random(using: &random) ? 98 : 93])
            let goal = try #require(shards.moves["a"]).goal
            for _ in 0..<6 {
                var left = Int.random(in: 0...40, using: &random)
                var isAlive = true
                while isAlive {
                    let decision = MoveDecision(try shards.situation(), slotsMax: 12)
                    isAlive = try self.carryOut(decision, &shards) {
                        left -= 1
                        return left > 0
                    }
                    if decision == .end { break }
                }
                if Bool.random(using: &random) { try shards.heal() }
                try shards.check("seed \(seed)")
            }
            let isAborted = Bool.random(using: &random)
            if isAborted {
                // As the order is stored: in one shard after the other, and here in the first alone.
                if shards.moves["a"] != nil { shards.moves["a"]?.wish = .abort }
            }
            #expect(try self.settle(&shards) == .end)
            let situation = try shards.situation()
            #expect(situation.move == nil, "seed \(seed)")
            #expect(situation.arriving.isEmpty, "seed \(seed)")
            for state in [SlotTransfer.State.copying, .held, .given] {
                #expect(situation.leaving(state).isEmpty, "seed \(seed)")
            }
            for (shard, slots) in situation.held {
                #expect(
                    slots == situation.catalog.map.slots(of: shard),
                    "what is held is what the map says, seed \(seed)"
                )
            }
            if !isAborted { #expect(situation.catalog.map.assignment == goal, "seed \(seed)") }
        }
    }

    @Test func aPauseHoldsNothingAndBeginsNothing() throws {
        var shards = try self.start(["a", "b"], weights: [100, 99])
        var decision = MoveDecision(try shards.situation(), slotsMax: 10)
        _ = try self.carryOut(decision, &shards) { true }
        for shard in ["a", "b"] { shards.moves[shard]?.wish = .pause }
        #expect(try self.settle(&shards) == .pause)
        for shard in ["a", "b"] { shards.moves[shard]?.wish = .run }
        decision = MoveDecision(try shards.situation(), slotsMax: 10)
        guard case .carry(let group) = decision else {
            Issue.record("what was begun is not gone on with: \(decision)")
            return
        }
        #expect(group.source == "b" && group.target == "a" && group.slots.count == 10)
    }
}
