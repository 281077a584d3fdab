// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// The loop of a ``ShardWriter``: takes what waits and carries out on the database what the ``Writer`` decides.
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
        var writer: Writer
        var calls: [Writer.Ticket: Call] = [:]
        var operations: [Writer.Ticket: WriterOperation] = [:]
        var nextTicket: Writer.Ticket = 1
    }

    func run() {
        var state = State(
            session: ShardSession(self.configuration),
            writer: Writer(
                conversationsMax: self.bounds.conversationsMax,
                receiptMembersMax: self.bounds.receiptMembersMax
            )
        )
        var lastBegan = NIODeadline.distantPast
        while true {
            let timeout = state.writer.hasUnsettled ? Self.settleIntervalMilliseconds : Self.idleMilliseconds
            let work = self.queue.take(
                itemsMax: self.bounds.batchMessagesMax,
                bytesMax: self.bounds.batchBytesMax,
                timeoutMilliseconds: timeout,
                notBefore: lastBegan + self.bounds.beginInterval
            )
            guard let work else { break }
            // Looking in vain is no transaction: what comes next must not wait for it.
            if !work.isEmpty { lastBegan = .now() }
            var turn = state.writer.begin(self.ticketed(work, &state), self.circumstances)
            self.carryOut(turn.effects, &state)
            while let call = turn.call {
                let answer = self.carryOut(call, &state)
                turn = state.writer.resume(answer, self.circumstances)
                self.carryOut(turn.effects, &state)
            }
        }
        self.carryOut(state.writer.giveUp().effects, &state)
        state.session.close()
    }

    private var circumstances: Writer.Circumstances {
        Writer.Circumstances(
            now: .now(),
            wallClock: WallClock.now(),
            ownership: self.routing.ownership(in: self.shard)
        )
    }

    private func ticketed(_ work: [ShardWriter.Work], _ state: inout State) -> [Writer.Work] {
        work.map { piece in
            let ticket = state.nextTicket
            state.nextTicket += 1
            switch piece {
            case .submit(let call, let submit):
                state.calls[ticket] = call
                return .submit(ticket, call.slot, submit, deadline: call.deadline)
            case .operation(let operation):
                state.calls[ticket] = operation.call
                state.operations[ticket] = operation
                return .operation(ticket, operation.call.slot, deadline: operation.call.deadline)
            case .receipts(let call, let receipts):
                self.metrics.receiptsReceived(receipts.entries.count)
                state.calls[ticket] = call
                return .receipts(ticket, call.slot, receipts, deadline: call.deadline)
            }
        }
    }

    // MARK: - The database

    private func carryOut(_ call: Writer.DatabaseCall, _ state: inout State) -> Writer.DatabaseAnswer {
        do throws(StorageError) {
            switch call {
            case .load(let ids):
                return .loaded(Array(try state.session.loadConversations(ids).values))
            case .lookBack(let keys):
                return .lookedBack(try state.session.stored(keys))
            case .append(let batch, let epoch):
                let start = NIODeadline.now()
                let outcome = try state.session.appendMessages(batch, epoch: epoch)
                self.metrics.committed(messages: batch.rowCount, in: NIODeadline.now() - start)
                return .appended(outcome)
            case .operate(let ticket, let epoch):
                guard let operation = state.operations[ticket] else {
                    preconditionFailure("an operation is kept until it is answered")
                }
                let now = WallClock.now()
                return .operated(
                    try state.writer.perform(operation, on: state.session, epoch: epoch, now: now)
                )
            case .storeReceipts(let batch, let epoch):
                let stored = try state.session.storeReceipts(batch, epoch: epoch)
                self.metrics.receiptsCommitted(batch.rowCount)
                return .receiptsStored(stored)
            case .readView:
                self.metrics.fenced()
                self.effects.viewRefused(shard: self.shard)
                self.routing.adopt(try state.session.readView())
                return .viewRead
            }
        } catch {
            if error.code == .outcomeUnknown || error.code == .internal {
                self.logger.warning(
                    "a write failed",
                    metadata: ["shard": "\(self.shard)", "reason": "\(error)"]
                )
            }
            return .failed(error)
        }
    }

    // MARK: - Effects

    private func carryOut(_ effects: [Writer.Effect], _ state: inout State) {
        for effect in effects {
            switch effect {
            case .accepted(let ticket, let accepted):
                self.metrics.accepted(duplicate: accepted.duplicate)
                self.take(ticket, &state)?.answer(accepted)
            case .failed(let ticket, let failure):
                guard let call = self.take(ticket, &state) else { continue }
                if call.kind == .submit { self.metrics.refused(failure.code) }
                call.fail(failure)
            case .moved(let ticket):
                guard let call = self.take(ticket, &state) else { continue }
                call.moved(self.routing.news(about: call.slot))
            case .outOfOrder(let ticket):
                self.take(ticket, &state)?.outOfOrder()
            case .operated(let ticket, let reply, let outbox, let departure):
                guard let call = self.take(ticket, &state) else { continue }
                self.settle(departure) {
                    self.applied(outbox) { call.answer(reply) }
                }
            case .receiptsStored(let ticket, let stored):
                self.take(ticket, &state)?.answer(stored)
            case .deliver(let parcels):
                self.effects.deliver(parcels)
            case .untold:
                self.effects.changesMayBeUntold()
            }
        }
    }

    private func settle(_ departure: Departure?, completion: @escaping @Sendable () -> Void) {
        guard let departure else { return completion() }
        let settlement = Parcel.Content.settlement(departure, completion: completion)
        // After the parcels of the conversation that went before.
        self.effects.deliver([
            Parcel(conversation: departure.conversation, content: settlement, members: departure.members)
        ])
    }

    private func applied(_ outbox: [Int64], completion: @escaping @Sendable () -> Void) {
        guard !outbox.isEmpty else { return completion() }
        self.effects.outboxGrew(shard: self.shard, entries: outbox, completion: completion)
    }

    private func take(_ ticket: Writer.Ticket, _ state: inout State) -> Call? {
        state.operations[ticket] = nil
        return state.calls.removeValue(forKey: ticket)
    }
}
