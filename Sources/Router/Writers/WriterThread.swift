// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// The loop of a ``ShardWriter``: takes what waits, numbers it, stores it, answers it.
final class WriterThread: Sendable {
    private let queue: WorkQueue<ShardWriter.Work>
    private let configuration: ShardSession.Configuration
    private let bounds: ShardWriter.Bounds
    private let routing: RoutingState
    private let effects: any WriterEffects
    private let metrics: WriterMetrics
    private let logger: Logger

    /// How long a writer with messages of unknown outcome waits before it asks the database about them again.
    private static let settleIntervalMilliseconds = 50
    private static let idleMilliseconds = 1000

    init(
        queue: WorkQueue<ShardWriter.Work>,
        session: ShardSession.Configuration,
        bounds: ShardWriter.Bounds,
        routing: RoutingState,
        effects: any WriterEffects,
        metrics: WriterMetrics,
        logger: Logger
    ) {
        self.queue = queue
        self.configuration = session
        self.bounds = bounds
        self.routing = routing
        self.effects = effects
        self.metrics = metrics
        self.logger = logger
    }

    private var shard: String { self.configuration.shard.name }

    /// What only the thread touches.
    private struct State {
        var session: ShardSession
        var sequencer: Sequencer
        /// The epoch under which the sequencer's conversations are known to be right.
        var epoch: UInt64 = 0
        var calls: [UInt64: Call] = [:]
        var nextTicket: UInt64 = 1
        /// Submits whose transaction may have committed; settled by reading back before anything is answered.
        var doubtful: [Sequencer.Item] = []
    }

    func run() {
        var state = State(
            session: ShardSession(self.configuration),
            sequencer: Sequencer(conversationsMax: self.bounds.conversationsMax)
        )
        while true {
            let timeout = state.doubtful.isEmpty ? Self.idleMilliseconds : Self.settleIntervalMilliseconds
            let work = self.queue.take(
                itemsMax: self.bounds.batchMessagesMax,
                bytesMax: self.bounds.batchBytesMax,
                timeoutMilliseconds: timeout
            )
            guard let work else { break }
            self.carryOut(work, &state)
        }
        self.giveUp(state.doubtful, &state)
        state.session.close()
    }

    /// Runs of submits share a transaction; operations between them keep their place.
    private func carryOut(_ work: [ShardWriter.Work], _ state: inout State) {
        var items: [Sequencer.Item] = []
        for piece in work {
            switch piece {
            case .submit(let call, let submit):
                let ticket = state.nextTicket
                state.nextTicket += 1
                state.calls[ticket] = call
                items.append(Sequencer.Item(ticket: ticket, slot: call.slot, submit: submit))
            case .operation(let operation):
                self.store(items, &state)
                items = []
                self.carryOut(operation, &state)
            }
        }
        self.store(items, &state)
    }

    // MARK: - Messages

    /// Rounds of load, plan and commit until every item is answered or put aside as doubtful.
    private func store(_ new: [Sequencer.Item], _ state: inout State) {
        let doubtful = state.doubtful
        state.doubtful = []
        var pending = doubtful + new
        let unsettled = Set(doubtful.map(\.ticket))
        var mustLookBack = !doubtful.isEmpty
        while !pending.isEmpty {
            pending = self.dropExpired(pending, unsettled: unsettled, &state)
            guard let epoch = self.adoptView(&state) else {
                return self.setAside(pending, unsettled: unsettled, because: Self.noView, &state)
            }
            pending = self.sendAway(pending, unsettled: unsettled, &state)
            do throws(StorageError) {
                let unknown = state.sequencer.unknownConversations(in: pending)
                if !unknown.isEmpty {
                    try state.sequencer.load(unknown, from: state.session)
                }
                if mustLookBack {
                    try self.lookBack(pending, &state)
                    // What was not found stays unsettled: the lost transaction may commit after this look. Storing it
                    // again meets its row or its key; until that has an answer, nobody is told that it is not stored.
                    mustLookBack = false
                }
                let plan = state.sequencer.plan(pending, now: WallClock.now())
                self.answer(plan.answers, &state)
                guard !plan.numbered.isEmpty else { return }
                pending = plan.items
                let outcome = try self.commit(plan, epoch: epoch, &state)
                switch outcome {
                case .stored(let stale):
                    let result = state.sequencer.committed(plan, stale: stale)
                    self.finish(result, &state)
                    pending = result.again
                case .duplicateClientMessageID:
                    mustLookBack = true
                }
            } catch {
                switch error.code {
                case .staleEpoch:
                    self.readView(&state)
                case .outcomeUnknown:
                    state.sequencer.forget(pending.map(\.submit.conversation))
                    self.logger.warning("commit of unknown outcome", metadata: ["reason": "\(error)"])
                    state.doubtful = pending
                    return
                case .internal where pending.count > 1:
                    // One message that the database refuses must not take down those that share its transaction.
                    for item in pending {
                        self.store([item], &state)
                    }
                    return
                case .unavailable, .diskFull, .wrongDatabase, .internal:
                    return self.setAside(pending, unsettled: unsettled, because: Self.failure(error), &state)
                }
            }
        }
    }

    private func commit(
        _ plan: Sequencer.Plan,
        epoch: UInt64,
        _ state: inout State
    ) throws(StorageError) -> AppendOutcome {
        let batch = MessageBatch(plan.numbered.lazy.map(\.message))
        let start = NIODeadline.now()
        let outcome = try state.session.appendMessages(batch, epoch: epoch)
        self.metrics.committed(messages: plan.numbered.count, in: NIODeadline.now() - start)
        return outcome
    }

    private func lookBack(_ items: [Sequencer.Item], _ state: inout State) throws(StorageError) {
        let keys = items.map {
            MessageKey(
                conversation: $0.submit.conversation,
                sender: $0.submit.sender,
                clientMessageID: $0.submit.clientMessageID
            )
        }
        for (key, place) in try state.session.findStored(keys) {
            state.sequencer.found(
                SenderMessageID(sender: key.sender, clientMessageID: key.clientMessageID),
                in: key.conversation,
                at: StoredPlace(seq: place.seq, createdAt: place.createdAt)
            )
            try self.deliverAgain(key.conversation, seq: place.seq, &state)
        }
    }

    /// Whoever stored the message may have died, or lost the connection, before delivering it. The stored one is read,
    /// since a repeat may differ; devices that have its number already ignore it.
    private func deliverAgain(
        _ conversation: ConversationID,
        seq: UInt64,
        _ state: inout State
    ) throws(StorageError) {
        guard let members = state.sequencer[conversation]?.members else { return }
        let messages = try state.session.readMessages(
            conversation,
            after: seq - 1,
            before: nil,
            limit: 1,
            notBefore: 0
        )
        self.effects.deliver(
            messages.filter { $0.seq == seq }.map {
                Parcel(conversation: conversation, content: .message($0), members: members)
            }
        )
    }

    private func finish(_ outcome: Sequencer.Outcome, _ state: inout State) {
        self.answer(outcome.answers, &state)
        self.effects.deliver(
            outcome.deliveries.map {
                Parcel(conversation: $0.message.conversation, content: .message($0.message), members: $0.members)
            }
        )
    }

    // MARK: - Answers

    private func answer(_ answers: [(ticket: UInt64, answer: Sequencer.Answer)], _ state: inout State) {
        for (ticket, answer) in answers {
            guard let call = state.calls.removeValue(forKey: ticket) else { continue }
            switch answer {
            case .accepted(let accepted):
                self.metrics.accepted(duplicate: accepted.duplicate)
                call.answer(accepted)
            case .failed(let failure):
                self.metrics.refused(failure.code)
                call.fail(failure)
            }
        }
    }

    private func fail(_ items: [Sequencer.Item], _ failure: Failure, _ state: inout State) {
        self.answer(items.map { ($0.ticket, .failed(failure)) }, &state)
    }

    /// What nobody waits for any more is not begun; a client that still wants it sends it again.
    private func dropExpired(
        _ items: [Sequencer.Item],
        unsettled: Set<UInt64>,
        _ state: inout State
    ) -> [Sequencer.Item] {
        let now = NIODeadline.now()
        let expired = items.filter { (state.calls[$0.ticket]?.deadline ?? now) <= now }
        guard !expired.isEmpty else { return items }
        self.fail(expired.filter { unsettled.contains($0.ticket) }, Self.unknownOutcome, &state)
        self.fail(expired.filter { !unsettled.contains($0.ticket) }, Self.tooLate, &state)
        let gone = Set(expired.map(\.ticket))
        return items.filter { !gone.contains($0.ticket) }
    }

    /// Answers `moved` to what belongs to another router. What may have been stored is settled by the other one, which
    /// finds it by its client message id.
    private func sendAway(
        _ items: [Sequencer.Item],
        unsettled: Set<UInt64>,
        _ state: inout State
    ) -> [Sequencer.Item] {
        var kept: [Sequencer.Item] = []
        for item in items {
            if self.routing.isOwn(item.slot, in: self.shard) {
                kept.append(item)
            } else if let call = state.calls.removeValue(forKey: item.ticket) {
                call.moved(self.routing.news)
            }
        }
        return kept
    }

    /// The shard cannot be used: what is certainly not stored is refused, what may be is kept to be settled.
    private func setAside(
        _ items: [Sequencer.Item],
        unsettled: Set<UInt64>,
        because failure: Failure,
        _ state: inout State
    ) {
        state.doubtful = items.filter { unsettled.contains($0.ticket) }
        self.fail(items.filter { !unsettled.contains($0.ticket) }, failure, &state)
    }

    private func giveUp(_ items: [Sequencer.Item], _ state: inout State) {
        self.fail(items, Self.unknownOutcome, &state)
    }

    // MARK: - Operations

    private func carryOut(_ operation: WriterOperation, _ state: inout State) {
        for _ in 0..<Self.attemptsMax {
            guard operation.call.deadline > NIODeadline.now() else {
                return operation.call.fail(Self.tooLate)
            }
            guard let epoch = self.adoptView(&state) else {
                return operation.call.fail(Self.noView)
            }
            guard self.routing.isOwn(operation.call.slot, in: self.shard) else {
                return operation.call.moved(self.routing.news)
            }
            do throws(StorageError) {
                let outcome = try self.attempt(operation, epoch: epoch, &state)
                return self.finish(operation.call, outcome)
            } catch {
                guard error.code == .staleEpoch else {
                    if error.code == .outcomeUnknown {
                        // What the operation was about has changed or not: read it again when it is asked for.
                        state.sequencer.forgetAll()
                    }
                    return operation.call.fail(Self.failure(error))
                }
                self.readView(&state)
            }
        }
        operation.call.moved(self.routing.news)
    }

    private static let attemptsMax = 3

    private func attempt(
        _ operation: WriterOperation,
        epoch: UInt64,
        _ state: inout State
    ) throws(StorageError) -> OperationOutcome {
        var scope = WriterScope(
            session: state.session,
            epoch: epoch,
            slot: operation.call.slot,
            now: WallClock.now(),
            sequencer: state.sequencer
        )
        // One owner at a time, so that the conversations are changed in place and not copied.
        state.sequencer = Sequencer(conversationsMax: 0)
        defer { state.sequencer = scope.sequencer }
        return try operation.run(&scope)
    }

    private func finish(_ call: Call, _ outcome: OperationOutcome) {
        self.effects.deliver(outcome.parcels)
        guard !outcome.outbox.isEmpty else {
            return call.answer(outcome.reply)
        }
        self.effects.outboxGrew(shard: self.shard, entries: outcome.outbox) {
            call.answer(outcome.reply)
        }
    }

    // MARK: - Views

    /// The epoch to act under, after forgetting what another router may have changed meanwhile.
    private func adoptView(_ state: inout State) -> UInt64? {
        guard let view = self.routing.view(of: self.shard) else { return nil }
        if view.epoch != state.epoch {
            if view.epoch == state.epoch + 1 {
                state.sequencer.keepOnly { self.routing.isOwn($0, in: self.shard) }
            } else {
                // A view in between was missed: a slot may have been away and have come back.
                state.sequencer.forgetAll()
            }
            state.epoch = view.epoch
        }
        return view.epoch
    }

    private func readView(_ state: inout State) {
        self.metrics.fenced()
        self.effects.viewRefused(shard: self.shard)
        do throws(StorageError) {
            self.routing.adopt(try state.session.readView())
        } catch {
            self.logger.warning("view cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: - Failures

    private static let noView = Failure(
        .unavailable,
        "This part of the cluster is not ready; nothing was accepted.",
        retryAfterMilliseconds: 500
    )
    private static let tooLate = Failure(
        .unavailable,
        "The cluster is too busy; nothing was accepted.",
        retryAfterMilliseconds: 1000
    )
    private static let unknownOutcome = Failure(
        .outcomeUnknown,
        "The database went away while it stored this; send it again with the same id to learn the outcome.",
        retryAfterMilliseconds: 500
    )

    private static func failure(_ error: StorageError) -> Failure {
        Failure(error)
    }
}

extension Failure {
    /// What a client is told of an error of the storage; the details are for the log.
    init(_ error: StorageError) {
        switch error.code {
        case .unavailable, .staleEpoch, .wrongDatabase:
            self.init(
                .unavailable,
                "The database of this part of the cluster is away; nothing was accepted.",
                retryAfterMilliseconds: 500
            )
        case .diskFull:
            self.init(
                .unavailable,
                "The database of this part of the cluster is full; nothing was accepted.",
                retryAfterMilliseconds: 5000
            )
        case .outcomeUnknown:
            self.init(
                .outcomeUnknown,
                "The database went away during this; it may have been done or not. The same request may be sent again.",
                retryAfterMilliseconds: 500
            )
        case .internal:
            self.init(.internal, "The cluster could not do this; the operator finds the reason in the router's log.")
        }
    }
}
