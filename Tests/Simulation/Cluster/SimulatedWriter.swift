// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Router
import Storage
import Wire

/// The thread of a writer: takes what waits and carries out what the product's ``Writer`` decides.
final class SimulatedWriter {
    enum Work {
        case submit(Call, Submit)
        case receipts(Call, StoreReceipts)
        case operation(WriterOperation)
    }

    /// As the real thread's: how long unsettled messages wait for the next look.
    private static let settleInterval = UInt64.milliseconds(50)
    private static let batchMax = 64

    private unowned let router: SimulatedRouter
    private let connection: ShardConnection
    private var writer = Writer(conversationsMax: 1000)
    private var queue: [Work] = []
    private var isBusy = false
    private var calls: [Writer.Ticket: Call] = [:]
    private var submits: [Writer.Ticket: Submit] = [:]
    private var operations: [Writer.Ticket: WriterOperation] = [:]
    private var nextTicket: Writer.Ticket = 1
    /// The machine and the operations of one thread; replaced with each life.
    private let life: Int

    init(router: SimulatedRouter, connection: ShardConnection) {
        self.router = router
        self.connection = connection
        self.life = router.life
    }

    private var shardName: String { self.connection.shard.name }
    private var world: World { self.router.world }

    private var circumstances: Writer.Circumstances {
        Writer.Circumstances(
            now: self.world.deadlineNow,
            wallClock: self.world.wallClock,
            ownership: self.router.routing.ownership(in: self.shardName)
        )
    }

    var isIdle: Bool { !self.isBusy && self.queue.isEmpty && !self.writer.hasUnsettled }

    func take(_ work: Work) {
        self.queue.append(work)
        self.proceed()
    }

    private func proceed() {
        guard !self.isBusy, !self.queue.isEmpty || self.writer.hasUnsettled else { return }
        self.isBusy = true
        let taken = self.queue.prefix(Self.batchMax)
        self.queue.removeFirst(taken.count)
        self.carryOut(self.writer.begin(taken.map(self.ticketed), self.circumstances))
    }

    private func ticketed(_ work: Work) -> Writer.Work {
        let ticket = self.nextTicket
        self.nextTicket += 1
        switch work {
        case .submit(let call, let submit):
            self.calls[ticket] = call
            self.submits[ticket] = submit
            return .submit(ticket, call.slot, submit, deadline: call.deadline)
        case .receipts(let call, let receipts):
            self.calls[ticket] = call
            return .receipts(ticket, call.slot, receipts, deadline: call.deadline)
        case .operation(let operation):
            self.calls[ticket] = operation.call
            self.operations[ticket] = operation
            return .operation(ticket, operation.call.slot, deadline: operation.call.deadline)
        }
    }

    private func carryOut(_ turn: Writer.Turn) {
        for effect in turn.effects { self.carryOut(effect) }
        guard let call = turn.call else {
            self.isBusy = false
            if !self.queue.isEmpty {
                self.proceed()
            } else if self.writer.hasUnsettled {
                self.router.later(Self.settleInterval) { [weak self] in self?.proceed() }
            }
            return
        }
        self.carryOut(call)
    }

    private func resume(_ answer: Writer.DatabaseAnswer) {
        self.carryOut(self.writer.resume(answer, self.circumstances))
    }

    private func resume<Value>(
        _ result: Result<Value, StorageError>,
        _ answer: (Value) -> Writer.DatabaseAnswer
    ) {
        switch result {
        case .success(let value): self.resume(answer(value))
        case .failure(let error): self.resume(.failed(error))
        }
    }

    // MARK: - The database

    private func carryOut(_ call: Writer.DatabaseCall) {
        switch call {
        case .load(let ids):
            self.connection.call(writes: false) { (shard) throws(StorageError) in
                try shard.loadConversations(ids).values.sorted { $0.conversation.id < $1.conversation.id }
            } completion: { [weak self] in
                self?.resume($0) { .loaded($0) }
            }
        case .lookBack(let keys):
            self.connection.call(writes: false) { (shard) throws(StorageError) in
                try shard.stored(keys)
            } completion: { [weak self] in
                self?.resume($0) { .lookedBack($0) }
            }
        case .append(let batch, let epoch):
            if self.world.defect == .acknowledgeBeforeCommit { self.acknowledgeNow(batch) }
            self.connection.call(writes: true) { (shard) throws(StorageError) in
                try shard.appendMessages(batch, epoch: epoch)
            } completion: { [weak self] in
                self?.resume($0) { .appended($0) }
            }
        case .storeReceipts(let batch, let epoch):
            self.connection.call(writes: true) { (shard) throws(StorageError) in
                try shard.storeReceipts(batch, epoch: epoch)
            } completion: { [weak self] in
                self?.resume($0) { .receiptsStored($0) }
            }
        case .operate(let ticket, let epoch):
            self.operate(ticket, epoch: epoch)
        case .readView:
            self.connection.call(writes: false) { (shard) throws(StorageError) in
                try shard.readView()
            } completion: { [weak self] result in
                guard let self else { return }
                if case .success(let view) = result { self.router.routing.adopt(view) }
                self.router.readView(self.shardName)
                self.resume(result) { _ in .viewRead }
            }
        }
    }

    /// The operation runs at the server's instant on a copy of the writer, which counts only if its answer comes back.
    private func operate(_ ticket: Writer.Ticket, epoch: UInt64) {
        guard let operation = self.operations[ticket] else { preconditionFailure("it is kept until it is answered") }
        let before = self.writer
        let now = self.world.wallClock
        self.connection.call(writes: true) { (shard) throws(StorageError) -> (OperationOutcome, Writer) in
            var copy = before
            let outcome = try copy.perform(operation, on: shard, epoch: epoch, now: now)
            return (outcome, copy)
        } completion: { [weak self] result in
            if case .success(let (_, after)) = result { self?.writer = after }
            self?.resume(result) { .operated($0.0) }
        }
    }

    // MARK: - Effects

    private func carryOut(_ effect: Writer.Effect) {
        switch effect {
        case .accepted(let ticket, let accepted): self.take(ticket)?.answer(accepted)
        case .failed(let ticket, let failure): self.take(ticket)?.fail(failure)
        case .moved(let ticket): self.take(ticket)?.moved(self.router.routing.news)
        case .outOfOrder(let ticket): self.take(ticket)?.outOfOrder()
        case .operated(let ticket, let reply, _, _): self.take(ticket)?.answer(reply)
        case .receiptsStored(let ticket, let stored): self.take(ticket)?.answer(stored)
        case .deliver(let parcels): self.router.deliver(parcels)
        case .untold: self.router.changesMayBeUntold()
        }
    }

    private func take(_ ticket: Writer.Ticket) -> Call? {
        self.submits[ticket] = nil
        self.operations[ticket] = nil
        return self.calls.removeValue(forKey: ticket)
    }

    /// ``Defect/acknowledgeBeforeCommit``.
    private func acknowledgeNow(_ batch: MessageBatch) {
        for message in batch.messages {
            let tickets = self.submits.filter { $0.value.clientMessageID == message.clientMessageID }.keys
            for ticket in tickets.sorted() {
                self.take(ticket)?.answer(Accepted(seq: message.seq, createdAt: message.createdAt, duplicate: false))
            }
        }
    }
}
