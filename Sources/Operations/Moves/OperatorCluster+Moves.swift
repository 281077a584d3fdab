// SPDX-License-Identifier: Apache-2.0

import Placement
import Storage

extension OperatorCluster {
    /// Slots whose old copies are compared or removed at a time.
    private static let oldCopiesAtATime = 64
    private static let joinWaitMax: Duration = .seconds(10)
    private static let joinPause: Duration = .milliseconds(100)

    func plan(_ goal: MoveOrders.Goal) throws(OperationsError) -> MoveOrders.Plan {
        let catalog = try self.requiredCatalog()
        switch goal {
        case .shares:
            guard let plan = MovePlan(for: catalog) else {
                throw OperationsError("no shard has a weight", remedy: "`trunkline shard weight NAME 1` gives it one")
            }
            return MoveOrders.Plan(catalog: catalog, plan: plan)
        case .back:
            return MoveOrders.Plan(catalog: catalog, plan: MovePlan(goal: try self.goalBack(catalog)))
        }
    }

    private func goalBack(_ catalog: ShardCatalog) throws(OperationsError) -> [UInt16] {
        let situation = try self.observe()
        var goal = catalog.map.assignment
        for group in situation.leaving(.kept) {
            guard let index = catalog.map.shards.firstIndex(of: group.source) else { continue }
            for slot in group.slots where catalog.map.shard(of: slot) == group.target {
                goal[Int(slot.number)] = UInt16(index)
            }
        }
        return goal
    }

    /// Routers join a shard that has come within a second. Slots that would go to one that no router serves would be nobody's.
    func awaitRouters(of targets: Set<String>) throws(OperationsError) {
        let end = ContinuousClock.now + Self.joinWaitMax
        for target in targets.sorted() {
            do throws(StorageError) {
                while try self.session(target).readView().routers.isEmpty {
                    guard .now < end else {
                        throw StorageError(.busy, "no router serves shard \(target) yet")
                    }
                    // Nothing tells when a router has joined.
                    BlockingPause.pause(for: Self.joinPause)
                }
            } catch {
                guard error.code == .busy else { throw OperationsError(error) }
                throw OperationsError(
                    error.message,
                    remedy:
                        "see in `trunkline status` whether routers are ready and reach its database, then say the same again"
                )
            }
        }
    }

    func observe() throws(OperationsError) -> MoveSituation {
        do throws(StorageError) {
            return try self.situation()
        } catch {
            throw OperationsError(error)
        }
    }

    func isAtWork() throws(OperationsError) -> Bool {
        do throws(StorageError) {
            for session in self.sessions.values where try session.holder(of: .slots) != nil { return true }
            return false
        } catch {
            throw OperationsError(error)
        }
    }

    /// Tells every shard what is wanted of the move that is under way.
    func want(_ wish: StoredMove.Wish, _ action: String) throws(OperationsError) {
        var isKnown = false
        var failure: StorageError?
        for session in self.sessions.values {
            do throws(StorageError) {
                isKnown = try session.setWish(wish) || isKnown
            } catch {
                failure = error
            }
        }
        // Of several wishes the one that does least holds: to stop a move one shard is enough, to go on all are needed.
        if let failure, wish == .run || !isKnown { throw OperationsError(failure) }
        if isKnown {
            _ = self.logWhereReachable(action, "")
            return
        }
        throw OperationsError("no slots are being moved", remedy: "see `trunkline move plan`")
    }

    func carryOut(
        _ options: MoveOrders.Options,
        tell: @escaping (MoveProgress) -> Void,
        warn: @escaping (String) -> Void
    ) throws(OperationsError) -> MoveOrders.Ending {
        let mover = SlotMover(
            self,
            options: SlotMover.Options(slotsAtATime: options.slotsAtATime, pauseMax: options.pauseMax),
            tell: tell,
            warn: warn
        )
        switch try mover.run() {
        case .done: return .done(mover.progress)
        case .paused: return .paused(mover.progress)
        case .aborted: return .aborted(mover.progress)
        }
    }

    // MARK: - Old copies

    func verify() throws(OperationsError) -> MoveOrders.Comparison {
        let situation = try self.observe()
        var comparison = MoveOrders.Comparison()
        do throws(StorageError) {
            for group in situation.leaving(.kept) {
                let present = group.slots.filter { situation.catalog.map.shard(of: $0) == group.target }
                comparison.movedOn += group.slots.count - present.count
                for slots in present.chunked(by: Self.oldCopiesAtATime) {
                    let check = OldCopyCheck(
                        of: try self.session(group.source),
                        against: try self.session(group.target)
                    )
                    let result = try check.check(slots)
                    comparison.slots += slots.count
                    comparison.check.messages += result.messages
                    comparison.check.others += result.others
                    comparison.check.differences += result.differences.map {
                        "\(group.source) to \(group.target): \($0)"
                    }
                }
            }
        } catch {
            throw OperationsError(error)
        }
        return comparison
    }

    func removeOldCopies(tell: (Int) -> Void) throws(OperationsError) -> Int {
        let situation = try self.observe()
        var count = 0
        do throws(StorageError) {
            for group in situation.leaving(.kept) {
                for slots in group.slots.chunked(by: Self.oldCopiesAtATime) {
                    try self.session(group.source).removeOldCopies(of: slots)
                    count += slots.count
                    tell(count)
                }
            }
            try self.log("move confirm", "\(count) slots")
        } catch {
            throw OperationsError(error)
        }
        return count
    }
}

extension Array {
    fileprivate func chunked(by size: Int) -> [[Element]] {
        stride(from: 0, to: self.count, by: size).map { Array(self[$0..<Swift.min($0 + size, self.count)]) }
    }
}
