// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage

/// What an operator orders about moving slots.
package struct MoveOrders: Sendable {
    package struct Options: Sendable {
        package var slotsAtATime: Int
        package var pauseMax: Duration

        package init(slotsAtATime: Int, pauseMax: Duration) {
            self.slotsAtATime = slotsAtATime
            self.pauseMax = pauseMax
        }
    }

    /// Where slots are to go.
    package enum Goal: Sendable {
        /// To each shard its share by weight.
        case shares
        /// To where old copies say that they came from.
        case back
    }

    /// What may become of a move that is under way.
    package enum Change: Sendable {
        case pause, resume, abort
    }

    package enum Ending: Sendable {
        case done(MoveProgress), paused(MoveProgress), aborted(MoveProgress)
    }

    package struct Plan: Sendable {
        package var catalog: ShardCatalog
        package var plan: MovePlan
        package var ways: [MovePlan.Way] { self.plan.ways(from: self.catalog.map) }
    }

    private let orders: ShardOrders

    package init(_ orders: ShardOrders) {
        self.orders = orders
    }

    // MARK: - Looking

    package func plan(_ goal: Goal) async throws(OperationsError) -> Plan {
        try await self.orders.onCluster { (cluster) throws(OperationsError) -> Plan in
            try cluster.look()
            return try cluster.plan(goal)
        }
    }

    package struct Status: Sendable {
        package var situation: MoveSituation
        /// Who carries the move out, if anybody does.
        package var carrier: String?
    }

    package func status() async throws(OperationsError) -> Status {
        try await self.orders.onCluster { (cluster) throws(OperationsError) -> Status in
            try cluster.look()
            do throws(StorageError) {
                let situation = try cluster.situation()
                var carrier: String?
                for session in cluster.sessions.values where carrier == nil { carrier = try session.holder(of: .slots) }
                return Status(situation: situation, carrier: carrier)
            } catch {
                throw OperationsError(error)
            }
        }
    }

    /// What is to be known once no slots are being moved: one line each.
    package func remarks() async throws(OperationsError) -> [String] {
        try await self.orders.onCluster { (cluster) throws(OperationsError) -> [String] in
            try cluster.look()
            return try cluster.requiredCatalog().weightlessHolders.map(MoveText.remark)
        }
    }

    // MARK: - Moving

    /// Starts a move and carries it out. Throws when there is one already.
    package func start(
        _ goal: Goal,
        _ options: Options,
        tell: @escaping @Sendable (MoveProgress) -> Void,
        warn: @escaping @Sendable (String) -> Void
    ) async throws(OperationsError) -> Ending {
        try await self.orders.locked { (cluster) throws(OperationsError) -> Ending in
            try cluster.refuseDuringMove()
            let plan = try cluster.plan(goal)
            try cluster.awaitRouters(of: Set(plan.ways.map(\.target)))
            let move = StoredMove(
                id: .generate(),
                origin: plan.catalog.map.assignment,
                goal: plan.plan.goal,
                wish: .run,
                startedBy: OperatorCluster.personAtMachine,
                startedAt: WallClock.now()
            )
            do throws(StorageError) {
                try cluster.log("move start", "\(move.slotCount) slots")
                for session in cluster.sessions.values { try session.store(move) }
            } catch {
                throw OperationsError(error)
            }
            return try cluster.carryOut(options, tell: tell, warn: warn)
        }
    }

    /// Goes on with a move that was paused or broken off.
    package func resume(
        _ options: Options,
        tell: @escaping @Sendable (MoveProgress) -> Void,
        warn: @escaping @Sendable (String) -> Void
    ) async throws(OperationsError) -> Ending {
        try await self.orders.locked { (cluster) throws(OperationsError) -> Ending in
            try cluster.want(.run, "move resume")
            return try cluster.carryOut(options, tell: tell, warn: warn)
        }
    }

    /// Tells whoever carries the move out to stop between two batches.
    package func pause() async throws(OperationsError) {
        try await self.orders.onCluster { (cluster) throws(OperationsError) in
            try cluster.look()
            try cluster.want(.pause, "move pause")
        }
    }

    /// Ends the move: slots that were handed over stay where they are, the others too. Whoever carries it out does that; when
    /// nobody does, this call.
    ///
    /// - Returns: Nil when it is left to the one who carries the move out.
    package func abort(
        tell: @escaping @Sendable (MoveProgress) -> Void,
        warn: @escaping @Sendable (String) -> Void
    ) async throws(OperationsError) -> Ending? {
        try await self.orders.onCluster { (cluster) throws(OperationsError) -> Ending? in
            try cluster.look()
            // Without a shard that does not answer, the order still has to be noted in the others.
            let before = (try? cluster.situation())?.move
            try cluster.want(.abort, "move abort")
            do throws(OperationsError) {
                try cluster.lock()
            } catch {
                guard (try? cluster.isAtWork()) == true else {
                    throw OperationsError(
                        "the abort is noted; it could not be confirmed because \(error.message)",
                        remedy: """
                            whoever carries the move out ends it once every shard answers: `trunkline move status`; if nobody does, say \
                            `trunkline move abort` again then
                            """
                    )
                }
                return nil
            }
            // Whoever carried it out may have ended it while the lock was waited for.
            let after = try cluster.observe()
            if after.move == nil, let move = before { return .aborted(MoveProgress(of: move, in: after.catalog)) }
            return try cluster.carryOut(
                Options(slotsAtATime: 1, pauseMax: .seconds(1)),
                tell: tell,
                warn: warn
            )
        }
    }

    // MARK: - Old copies

    package struct Comparison: Sendable {
        package var slots = 0
        package var check = OldCopyCheck.Result()
        /// What is missing at the new shards; empty when nothing is.
        package var differences: [String] { self.check.differences }
        /// Slots that have moved on since, so that there is nothing to compare them with.
        package var movedOn = 0
    }

    /// Compares the old copies with what the new shards have.
    package func verify() async throws(OperationsError) -> Comparison {
        try await self.orders.onCluster { (cluster) throws(OperationsError) -> Comparison in
            try cluster.look()
            return try cluster.verify()
        }
    }

    /// Removes old copies, after comparing them. Returns how many slots' copies are gone.
    package func confirm(tell: @escaping @Sendable (Int) -> Void) async throws(OperationsError) -> Int {
        try await self.orders.locked { (cluster) throws(OperationsError) -> Int in
            let comparison = try cluster.verify()
            guard comparison.check.differences.isEmpty else {
                throw OperationsError(
                    comparison.check.differences.joined(separator: "; "),
                    remedy: "nothing was removed; the old copies have what is missing: `trunkline move start --back`"
                )
            }
            return try cluster.removeOldCopies(tell: tell)
        }
    }
}
