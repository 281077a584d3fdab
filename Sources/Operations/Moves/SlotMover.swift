// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage

/// How far a move is, for people.
package struct MoveProgress: Sendable, Equatable {
    package var slots: Int
    package var slotsMoved: Int
    /// Of this run.
    package var rowsCopied: Int64 = 0
    /// From the moment when no shard took writes to a slot until one did again, as far as the shards are concerned.
    package var lastPause: Duration = .zero
    package var longestPause: Duration = .zero
    /// Hand-overs that took too long and were taken back, to be tried again.
    package var retries = 0

    package init(slots: Int, slotsMoved: Int) {
        self.slots = slots
        self.slotsMoved = slotsMoved
    }

    init(of move: StoredMove, in catalog: ShardCatalog) {
        self.init(
            slots: move.slotCount,
            slotsMoved: move.slotCount - MovePlan(goal: move.goal).remaining(in: catalog.map)
        )
    }
}

extension ShardCatalog {
    /// Shards that the next move empties, since they are to have nothing.
    var weightlessHolders: [String] {
        self.shards.filter { $0.weight == 0 && !self.map.slots(of: $0.name).isEmpty }.map(\.name)
    }
}

/// Carries a move out, step by step, until it is done or an operator wants otherwise.
///
/// It belongs to one thread, which waits in it. It may be killed at any point: see ``MoveDecision``.
final class SlotMover {
    struct Options: Sendable {
        /// Slots that are copied and handed over together. All of them pause at once, so few are felt less, and many are
        /// faster.
        var slotsAtATime = 32
        /// A hand-over that takes longer is taken back and tried again.
        var pauseMax: Duration = .milliseconds(200)
    }

    enum Ending: Sendable {
        case done, paused, aborted
    }

    /// Rows that changed in one round: when there are fewer, the next round is short enough for a pause.
    private static let fewRows: Int64 = 200
    private static let roundsMax = 10
    private static let handOversMax = 20
    private static let failuresMax = 20
    /// Routers ask every 250 ms whether slots are being moved, and from then on fifty times a second.
    private static let untilRoutersLook: Duration = .milliseconds(400)
    /// When the server ends a session that holds slots and says nothing.
    private static let silenceMax: Duration = .seconds(2)
    private static let retryPause: Duration = .milliseconds(200)

    private let cluster: OperatorCluster
    private let options: Options
    private let tell: (MoveProgress) -> Void
    private let warn: (String) -> Void
    private(set) var progress = MoveProgress(slots: 0, slotsMoved: 0)
    private var prepared: Set<String> = []
    private var isWatched = false

    /// - Parameter cluster: locked.
    init(
        _ cluster: OperatorCluster,
        options: Options,
        tell: @escaping (MoveProgress) -> Void,
        warn: @escaping (String) -> Void
    ) {
        self.cluster = cluster
        self.options = options
        self.tell = tell
        self.warn = warn
    }

    func run() throws(OperationsError) -> Ending {
        var failures = 0
        while true {
            do throws(StorageError) {
                if let ending = try self.step() { return ending }
                failures = 0
            } catch {
                failures += 1
                try self.recover(error, failures)
            }
        }
    }

    private func recover(_ error: StorageError, _ failures: Int) throws(OperationsError) {
        let mayPass = error.isRetryable || error.code == .staleEpoch || error.code == .internal
        guard mayPass, failures < Self.failuresMax else {
            var error = OperationsError(error)
            error.remedy += "; then `trunkline move resume`"
            throw error
        }
        self.warn("\(error.message); trying again")
        self.prepared = []
        // A shard that comes back needs a moment, and nothing tells when.
        BlockingPause.pause(for: Self.retryPause * failures)
        self.cluster.close()
        do throws(OperationsError) {
            try self.cluster.lock()
        } catch {
            guard failures < Self.failuresMax - 1 else { throw error }
        }
    }

    // MARK: - Steps

    private func step() throws(StorageError) -> Ending? {
        let situation = try self.cluster.situation()
        if let move = situation.move {
            self.progress.slots = move.slotCount
            self.progress.slotsMoved = move.slotCount - MovePlan(goal: move.goal).remaining(in: situation.catalog.map)
        }
        switch MoveDecision(situation, slotsMax: self.options.slotsAtATime) {
        case .spread:
            try self.cluster.spread(situation)
        case .take(let group):
            try self.take(group)
        case .keepOldCopy(let group):
            try self.cluster.session(group.source).keepOldCopy(group.slots)
        case .takeBack(let group):
            try self.cluster.session(group.source).takeBack(group.slots)
        case .forget(let group, let atSource, let atTarget):
            if atTarget { try self.cluster.session(group.target).stopReceiving(group.slots) }
            if atSource { try self.cluster.session(group.source).stopSending(group.slots) }
        case .carry(let group):
            try self.carry(group)
        case .begin(let group):
            try self.prepare(group)
            let move = situation.move?.id ?? .generate()
            try self.cluster.session(group.target).beginReceiving(group.slots, from: group.source, move: move)
            try self.cluster.session(group.source).beginSending(group.slots, to: group.target, move: move)
        case .pause:
            return .paused
        case .end:
            try self.end()
            return situation.move?.wish == .run ? .done : .aborted
        }
        return nil
    }

    private func end() throws(StorageError) {
        for shard in self.cluster.sessions.keys.sorted() {
            try self.patiently { () throws(StorageError) in try self.cluster.session(shard).endMoving() }
        }
        for session in self.cluster.sessions.values { try session.deleteMove() }
    }

    private func prepare(_ group: MoveSituation.Group) throws(StorageError) {
        for shard in [group.source, group.target] where !self.prepared.contains(shard) {
            try self.patiently { () throws(StorageError) in try self.cluster.session(shard).prepareMoving() }
            self.prepared.insert(shard)
        }
    }

    /// For what needs a table for a moment to itself: somebody may be using it just then.
    private func patiently(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        for attempt in 1... {
            do throws(StorageError) {
                return try body()
            } catch {
                guard error.code == .unavailable, attempt < Self.failuresMax else { throw error }
                BlockingPause.pause(for: Self.retryPause)
            }
        }
    }

    // MARK: - One batch

    private func carry(_ group: MoveSituation.Group) throws(StorageError) {
        try self.prepare(group)
        let (source, target) = try (self.cluster.session(group.source), self.cluster.session(group.target))
        let copy = try SlotCopy(from: source, to: target, slots: group.slots)
        self.progress.rowsCopied += try copy.copyAll().rows
        if !self.isWatched {
            // Only so long after the move was stored are all routers sure to notice a hand-over at once.
            BlockingPause.pause(for: Self.untilRoutersLook)
            self.isWatched = true
        }
        for _ in 0..<Self.handOversMax {
            try self.catchUp(copy)
            if try self.handOver(group, copy) {
                self.progress.slotsMoved += group.slots.count
                return self.tell(self.progress)
            }
            self.progress.retries += 1
            BlockingPause.pause(for: Self.retryPause)
        }
        throw StorageError(
            .unavailable,
            "shard \(group.source): \(group.slots.count) slots could not be handed over within \(self.options.pauseMax)"
        )
    }

    private func catchUp(_ copy: SlotCopy) throws(StorageError) {
        for _ in 0..<Self.roundsMax {
            let rows = try copy.copyChanges(isLast: false).rows
            self.progress.rowsCopied += rows
            if rows <= Self.fewRows { return }
        }
    }

    /// The pause. Returns false when it would have been too long, and the source has the slots again.
    private func handOver(_ group: MoveSituation.Group, _ copy: SlotCopy) throws(StorageError) -> Bool {
        let source = try self.cluster.session(group.source)
        let target = try self.cluster.session(group.target)
        guard let next = self.cluster.catalog?.assigning(group.slots, to: group.target) else {
            throw StorageError(.internal, "there is no shard \(group.target) in the shard map")
        }
        for session in [source, target] { try session.limitSilence(to: Self.silenceMax) }
        let isDone = try self.handOver(group, copy, under: next, source, target)
        for session in [source, target] { try session.limitSilence(to: .zero) }
        return isDone
    }

    private func handOver(
        _ group: MoveSituation.Group,
        _ copy: SlotCopy,
        under next: ShardCatalog,
        _ source: OperatorSession,
        _ target: OperatorSession
    ) throws(StorageError) -> Bool {
        let begin = ContinuousClock.now
        do throws(StorageError) {
            try source.hold(group.slots)
        } catch {
            // Writers were at work for too long: nobody was held up for longer than the wait for the lock.
            guard error.code == .unavailable, source.isConnected else { throw error }
            return false
        }
        self.progress.rowsCopied += try copy.limited(to: self.options.pauseMax * 4).copyChanges(isLast: true).rows
        guard ContinuousClock.now - begin < self.options.pauseMax else {
            try source.takeBack(group.slots)
            return false
        }
        try source.give(group.slots)
        try target.take(group.slots, under: next)
        self.progress.lastPause = ContinuousClock.now - begin
        self.progress.longestPause = max(self.progress.longestPause, self.progress.lastPause)
        try self.cluster.spread(next, beginningWith: group.target)
        try source.keepOldCopy(group.slots)
        return true
    }

    /// After a predecessor that was killed between giving and taking.
    private func take(_ group: MoveSituation.Group) throws(StorageError) {
        guard let next = self.cluster.catalog?.assigning(group.slots, to: group.target) else {
            throw StorageError(.internal, "there is no shard \(group.target) in the shard map")
        }
        try self.cluster.session(group.target).take(group.slots, under: next)
        try self.cluster.spread(next, beginningWith: group.target)
    }
}

extension OperatorCluster {
    /// What all shards say now. Throws when one of the catalog cannot be asked.
    func situation() throws(StorageError) -> MoveSituation {
        var held: [String: SlotSet] = [:]
        var transfers: [String: [SlotTransfer]] = [:]
        var moves: [StoredMove?] = []
        var isUneven = false
        var newest = self.catalog
        for name in newest?.map.shards ?? [] {
            let session = try self.session(name)
            let catalog = try session.readCatalog()
            if catalog?.map.version != newest?.map.version { isUneven = true }
            if let catalog, catalog.map.version > newest?.map.version ?? 0 { newest = catalog }
            held[name] = try session.readView().slots ?? SlotSet()
            transfers[name] = try session.readTransfers()
            moves.append(try session.readMove())
        }
        guard let newest else {
            throw StorageError(.wrongDatabase, "there is no shard map yet: run `trunkline migrate`")
        }
        self.learn(newest)
        let move = StoredMove.merged(moves)
        if moves.contains(where: { $0 != move }) { isUneven = true }
        return MoveSituation(catalog: newest, held: held, transfers: transfers, move: move, isUneven: isUneven)
    }

    func spread(_ situation: MoveSituation) throws(StorageError) {
        try self.spread(situation.catalog)
        guard let move = situation.move else { return }
        for session in self.sessions.values { try session.store(move) }
    }
}

extension StoredMove {
    /// The move as one that was interrupted while it was stored, changed or deleted left it in the shards. Of several wishes
    /// the one that does least holds.
    static func merged(_ moves: [StoredMove?]) -> StoredMove? {
        guard var merged = moves.compactMap({ $0 }).max(by: { $0.startedAt < $1.startedAt }) else { return nil }
        let wishes = moves.compactMap { $0?.id == merged.id ? $0?.wish : nil }
        merged.wish = wishes.contains(.abort) ? .abort : wishes.contains(.pause) ? .pause : .run
        return merged
    }
}
