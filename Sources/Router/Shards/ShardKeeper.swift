// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import Placement
import Storage
import Synchronization
import Threads
import Wire

/// Looks after one shard beside its writers, on a thread of its own: reads the map and the view, proposes a view when
/// the policy says so, empties the outbox, and keeps the partitions ahead of time.
package final class ShardKeeper: Sendable {
    package struct Timing: Sendable {
        /// How often the view and the outbox are read when nothing calls for it.
        package var interval: Duration = .milliseconds(250)
        /// How often it is asked whether the view has changed while slots are moved between shards: for that long nobody
        /// knows of a slot's new place, and its writers wait.
        package var movingInterval: Duration = .milliseconds(20)
        /// How long an answer waits for its outbox entries to be applied.
        package var outboxWait: Duration = .seconds(1)
        /// The first wait of a router that was excluded before it proposes itself again; doubles up to the maximum.
        package var rejoinWaitMin: Duration = .seconds(1)
        package var rejoinWaitMax: Duration = .seconds(30)
        package var maintenanceInterval: Duration = .seconds(3600)

        package init() {}
    }

    /// Sends an outbox entry to the owner of its target slot; the completion says whether it was applied.
    package typealias ApplyEntry = @Sendable (Slot, ApplyOutbox, @escaping @Sendable (Bool) -> Void) -> Void

    /// Tells the keeper of another shard that slots were given to it.
    package typealias TellGiven = @Sendable ([Slot], String) -> Void

    private enum Event: Sendable {
        case wake
        case given([Slot])
        case settled(entry: Int64, applied: Bool)
        case waiting([Int64], @Sendable () -> Void)
    }

    private struct State {
        var session: ShardSession
        var outbox = OutboxProgress()
        var hasNewEntries = true
        var nextRoutine: ContinuousClock.Instant
        var nextMaintenance: ContinuousClock.Instant
        var seat: ViewSeat
        var isFailing = false
        var signs = TransferSigns()
        var nextLook: ContinuousClock.Instant
        var mapVersion: UInt64?
    }

    private let shard: String
    private let configuration: ShardSession.Configuration
    private let routing: RoutingState
    private let witnesses: WitnessBoard
    private let policy: ViewPolicy
    private let timing: Timing
    private let applyEntry: ApplyEntry
    private let given: TellGiven
    private let catalogued: @Sendable (ShardCatalog) -> Void
    private let logger: Logger
    private let events = WorkQueue<Event>(itemsMax: 100_000, bytesMax: Int.max)
    private let intent = Mutex(ViewPolicy.Intent.observing)
    private let hasLeftFlag = Mutex(false)
    private let answersFlag = Mutex<Bool?>(nil)
    private let thread = Mutex<PlainThread?>(nil)

    package init(
        session: ShardSession.Configuration,
        routing: RoutingState,
        witnesses: WitnessBoard,
        policy: ViewPolicy,
        timing: Timing = Timing(),
        applyEntry: @escaping ApplyEntry,
        given: @escaping TellGiven,
        catalogued: @escaping @Sendable (ShardCatalog) -> Void,
        logger: Logger
    ) {
        self.shard = session.shard.name
        self.configuration = session
        self.routing = routing
        self.witnesses = witnesses
        self.policy = policy
        self.timing = timing
        self.applyEntry = applyEntry
        self.given = given
        self.catalogued = catalogued
        self.logger = logger
    }

    package func start() {
        let thread = PlainThread(name: "keeper \(self.shard)") { self.run() }
        self.thread.withLock { $0 = thread }
    }

    /// Something may have changed: look at once. From any thread.
    package func wake() {
        _ = self.events.put(.wake, bytes: 0)
    }

    /// Another shard gave slots to this one. From any thread.
    func take(_ slots: [Slot]) {
        _ = self.events.put(.given(slots), bytes: 0)
    }

    /// Entries were committed to the outbox. From any thread.
    package func outboxGrew(_ entries: [Int64], completion: @escaping @Sendable () -> Void) {
        if !self.events.put(.waiting(entries, completion), bytes: 0) {
            completion()
        }
    }

    /// From now on the router proposes itself, unless it leaves already. From any thread.
    package func join() {
        self.intent.withLock { intent in
            if intent == .observing { intent = .member }
        }
        self.wake()
    }

    /// From now on the router proposes views without itself.
    package func leave() {
        self.intent.withLock { $0 = .leaving }
        self.wake()
    }

    /// From now on a router that was leaving proposes itself again. From any thread.
    package func stay() {
        self.intent.withLock { intent in
            if intent == .leaving { intent = .member }
        }
        self.hasLeftFlag.withLock { $0 = false }
        self.wake()
    }

    /// Whether the shard's view is known to be without this router, or to have nobody else.
    package var hasLeft: Bool { self.hasLeftFlag.withLock { $0 } }

    /// Whether the shard answered the last regular look at its map and view; nil before the first.
    package var answers: Bool? { self.answersFlag.withLock { $0 } }

    /// Ends the thread. Blocks; not for an event loop.
    package func shutdown() {
        self.events.close()
        self.thread.withLock { $0 }?.join()
    }

    // MARK: - The thread

    private func run() {
        let now = ContinuousClock.now
        var state = State(
            session: ShardSession(self.configuration),
            nextRoutine: now,
            nextMaintenance: now,
            seat: ViewSeat(
                policy: self.policy,
                own: self.routing.own,
                rejoinWaitMin: self.timing.rejoinWaitMin,
                rejoinWaitMax: self.timing.rejoinWaitMax
            ),
            nextLook: now
        )
        while let events = self.events.take(
            itemsMax: 1024,
            bytesMax: Int.max,
            timeoutMilliseconds: self.milliseconds(until: min(state.nextRoutine, state.nextLook))
        ) {
            self.carryOut(events, &state)
            let now = ContinuousClock.now
            for completion in state.outbox.expire(now: now) {
                completion()
            }
            if state.signs.isMoving, now >= state.nextLook, now < state.nextRoutine {
                self.attempt(&state) { (state) throws(StorageError) in try self.look(&state) }
            }
            if now >= state.nextRoutine {
                state.nextRoutine = now + self.timing.interval
                state.hasNewEntries = true
                self.attempt(&state) { (state) throws(StorageError) in try self.routine(&state) }
            }
            state.nextLook = state.signs.isMoving ? now + self.timing.movingInterval : state.nextRoutine
            if state.hasNewEntries {
                self.attempt(&state) { (state) throws(StorageError) in try self.sendOutbox(&state) }
            }
        }
        for completion in state.outbox.releaseAll() {
            completion()
        }
        state.session.close()
    }

    private func milliseconds(until instant: ContinuousClock.Instant) -> Int {
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: instant).components
        return max(0, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000) + 1)
    }

    private func carryOut(_ events: [Event], _ state: inout State) {
        var applied: [Int64] = []
        for event in events {
            switch event {
            case .wake:
                state.nextRoutine = ContinuousClock.now
            case .given(let slots):
                self.attempt(&state) { (state) throws(StorageError) in try self.takeAbandoned(slots, &state) }
            case .settled(let entry, true):
                applied.append(entry)
            case .settled(let entry, false):
                // Read again with the next routine, not at once: its target may need a moment.
                state.outbox.failed(entry)
            case .waiting(let entries, let completion):
                state.outbox.wait(for: entries, until: .now + self.timing.outboxWait, completion: completion)
                state.hasNewEntries = true
            }
        }
        guard !applied.isEmpty else { return }
        if let view = self.routing.view(of: self.shard) {
            self.attempt(&state) { (state) throws(StorageError) in
                try state.session.deleteOutbox(applied, epoch: view.epoch)
            }
        }
        // When the deletion failed they are sent once more, which changes nothing.
        for completion in state.outbox.finished(applied) {
            completion()
        }
    }

    /// A failure is logged when it begins and when it is over, not every time.
    private func attempt(_ state: inout State, _ body: (inout State) throws(StorageError) -> Void) {
        do throws(StorageError) {
            try body(&state)
            if state.isFailing {
                state.isFailing = false
                self.logger.notice("shard is back", metadata: ["shard": "\(self.shard)"])
            }
        } catch {
            if !state.isFailing {
                state.isFailing = true
                self.logger.warning("shard is away", metadata: ["shard": "\(self.shard)", "reason": "\(error)"])
            }
        }
    }

    // MARK: - Map and view

    private func routine(_ state: inout State) throws(StorageError) {
        let view: View
        do throws(StorageError) {
            view = try self.readPlacement(&state)
        } catch {
            self.answersFlag.withLock { $0 = false }
            throw error
        }
        self.answersFlag.withLock { $0 = true }
        try self.propose(view, &state)
        try self.endPauses(&state)
        if ContinuousClock.now >= state.nextMaintenance {
            try state.session.ensurePartitions(now: WallClock.now())
            try state.session.dropExpiredMessageIDs(now: WallClock.now())
            state.nextMaintenance = .now + self.timing.maintenanceInterval
        }
    }

    /// The map is read after the view and adopted before it: who sees that a slot is in its new shard's view knows the map that
    /// says so, since both are written at once.
    private func readPlacement(_ state: inout State) throws(StorageError) -> View {
        let signs = try state.session.readTransferSigns()
        state.signs = signs
        let view = try state.session.readView()
        if signs.mapVersion != state.mapVersion, let catalog = try state.session.readCatalog() {
            let isNews = catalog.map.version > self.routing.mapVersion ?? 0
            state.mapVersion = catalog.map.version
            // A shard that came has to be served before anything is routed to it.
            if isNews { self.catalogued(catalog) }
            self.routing.adopt(catalog.map)
        }
        self.routing.adopt(view)
        return view
    }

    // MARK: - Slots that move

    /// One small question, since it is asked often.
    private func look(_ state: inout State) throws(StorageError) {
        let signs = try state.session.readTransferSigns()
        state.signs = signs
        if signs.mapVersion != state.mapVersion || signs.epoch != self.routing.view(of: self.shard)?.epoch {
            _ = try self.readPlacement(&state)
        }
        try self.endPauses(&state)
    }

    /// An operator that hands slots over may be gone at any moment, and until somebody goes on nobody takes writes to them.
    private func endPauses(_ state: inout State) throws(StorageError) {
        for (shard, slots) in state.signs.given { self.given(slots, shard) }
        guard state.signs.hasHeld, try state.session.takeBackAbandoned(by: self.routing.own.description) else { return }
        self.logger.warning("slots of a move that was broken off are taken back", metadata: ["shard": "\(self.shard)"])
        state.nextRoutine = .now
    }

    private func takeAbandoned(_ slots: [Slot], _ state: inout State) throws(StorageError) {
        guard try state.session.takeAbandoned(slots, by: self.routing.own.description) else { return }
        self.logger.warning(
            "slots of a move that was broken off are taken over",
            metadata: ["shard": "\(self.shard)", "slots": "\(slots.count)"]
        )
        state.nextRoutine = .now
    }

    private func propose(_ view: View, _ state: inout State) throws(StorageError) {
        let own = self.routing.own
        let intent = self.intent.withLock { $0 }
        let decision = state.seat.viewRead(
            view,
            intent: intent,
            witnesses: self.witnesses.witnesses(of: view.members.filter { $0.name != own.name }),
            now: .now,
            random: .random(in: 0...1)
        )
        if decision.wasExcluded {
            self.logger.warning("excluded from the shard's view", metadata: ["epoch": "\(view.epoch)"])
        }
        guard let proposal = decision.proposal else {
            self.hasLeftFlag.withLock { $0 = intent == .leaving }
            return
        }
        let proposed = try state.session.proposeView(
            replacing: view.epoch,
            routers: proposal.map(\.description),
            by: own.description
        )
        guard let proposed else {
            // Another router was faster: look at what it decided.
            state.nextRoutine = .now
            return
        }
        // The seat learns of it with the next reading; who proposes himself is a member.
        state.nextRoutine = .now
        self.logger.notice(
            "new view",
            metadata: [
                "shard": "\(self.shard)", "epoch": "\(proposed.epoch)",
                "routers": "\(proposed.routers.joined(separator: ","))",
            ]
        )
        self.routing.adopt(proposed)
        self.hasLeftFlag.withLock { $0 = intent == .leaving }
    }

    // MARK: - Outbox

    private func sendOutbox(_ state: inout State) throws(StorageError) {
        state.hasNewEntries = false
        // Mostly there is nothing, and the list of slots is long.
        guard state.outbox.room > 0, try state.session.hasOutbox() else { return }
        let slots = self.routing.ownSlots(in: self.shard)
        guard !slots.isEmpty else { return }
        let session = state.session
        let rows = try state.outbox.next(id: \.id) { (after, limit) throws(StorageError) in
            try session.readOutbox(slots: slots, after: after, limit: limit)
        }
        for row in rows where state.outbox.begin(row.id) {
            guard let kind = OutboxKind(rawValue: UInt8(clamping: row.entry.kind)) else {
                self.logger.error("outbox entry of an unknown kind stays", metadata: ["entry": "\(row.id)"])
                continue
            }
            let events = self.events
            let id = row.id
            self.applyEntry(row.entry.targetSlot, ApplyOutbox(kind: kind, payload: row.entry.payload)) { applied in
                _ = events.put(.settled(entry: id, applied: applied), bytes: 0)
            }
        }
    }
}
