// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// Decides what a writer does next: which conversations to load, what to store in one transaction, what to answer and
/// to whom to send it. Pure: no clock, no log, no I/O; ``WriterThread`` carries it out, one database call at a time.
///
///     begin(work) ──▶ load? ──▶ look back? ──▶ plan ──▶ append ──▶ answers and deliveries, what is left goes round again
///                                   ▲                     ├── a client message id is stored already ──▶ look back
///                                   │                     ├── the view changed ──▶ read the view, go round again
///                                   └── next ``begin`` ◀──└── outcome unknown: keep it, unsettled
///
/// A message whose transaction may have committed stays **unsettled** until the database has said whether it did: until
/// then nobody is told that it is not stored (contract C1, C2). Looking back once is not enough for that, since the lost
/// transaction may commit after the look; storing it again meets its row or its key, and that answer is final.
package struct Writer {
    package typealias Ticket = UInt64

    /// What is asked for. The shell knows the rest by the ticket.
    package enum Work: Sendable {
        case submit(Ticket, Slot, Submit, deadline: NIODeadline)
        case operation(Ticket, Slot, deadline: NIODeadline)
        case receipts(Ticket, Slot, StoreReceipts, deadline: NIODeadline)
    }

    /// To be carried out on the shard's database, and to be answered by ``resume(_:_:)``.
    package enum DatabaseCall: Sendable {
        case load([ConversationID])
        case lookBack([MessageKey])
        case append(MessageBatch, epoch: UInt64)
        /// Run ``perform(_:on:epoch:now:)``.
        case operate(Ticket, epoch: UInt64)
        case storeReceipts(ReceiptBatch, epoch: UInt64)
        case readView
    }

    package enum DatabaseAnswer: Sendable {
        case loaded([Storage.ConversationState])
        /// Those of the keys that are stored, with their messages as they are stored.
        case lookedBack([MessageKey: Message])
        case appended(AppendOutcome)
        case operated(OperationOutcome)
        /// Of each member of the batch the watermarks as they are stored now; who is absent is no member.
        case receiptsStored([MemberKey: Watermarks])
        /// The view was read, and what is owned follows from it.
        case viewRead
        case failed(StorageError)
    }

    package enum Effect: Sendable {
        case accepted(Ticket, Accepted)
        case failed(Ticket, Failure)
        /// Another router owns the slot.
        case moved(Ticket)
        /// What has to be stored before is not: to be sent again after that.
        case outOfOrder(Ticket)
        case operated(Ticket, Reply, outbox: [Int64], departure: Departure?)
        case receiptsStored(Ticket, ReceiptsStored)
        case deliver([Parcel])
        /// Something may be stored that nobody is told of.
        case untold
    }

    /// What is to be done now, in order; then the call, if there is one. Without one the writer takes more work.
    package struct Turn: Sendable {
        package var effects: [Effect] = []
        package var call: DatabaseCall?
    }

    /// What a turn is decided by.
    package struct Circumstances: Sendable {
        package var now: NIODeadline
        package var wallClock: UnixMilliseconds
        package var ownership: SlotOwnership

        package init(now: NIODeadline, wallClock: UnixMilliseconds, ownership: SlotOwnership) {
            self.now = now
            self.wallClock = wallClock
            self.ownership = ownership
        }
    }

    /// Submits or receipts that go through one transaction together, or one operation.
    enum Segment {
        case messages(Round)
        case operation(Run)
        case receipts(ReceiptRound)
    }

    struct Round {
        var pending: [Sequencer.Item]
        var unsettled: Set<Ticket> = []
        var mustLookBack = false
        /// Conversations that were asked for and do not exist.
        var absent: Set<ConversationID> = []
    }

    struct Run {
        var ticket: Ticket
        var slot: Slot
        var attempts = 0
    }

    enum Phase {
        case idle
        case loading(Round, epoch: UInt64)
        case lookingBack(Round, epoch: UInt64)
        case appending(Round, Sequencer.Plan)
        case operating(Run)
        case loadingForReceipts(ReceiptRound, epoch: UInt64)
        case storingReceipts(ReceiptRound, ReceiptPlan)
        case readingView(Segment)
    }

    /// In conversations with more members receipts are told to the member's own devices alone.
    let receiptMembersMax: Int
    var sequencer: Sequencer
    /// The epoch under which the sequencer's conversations are known to be right.
    private var epoch: UInt64 = 0
    var deadlines: [Ticket: NIODeadline] = [:]
    /// Submits whose transaction may have committed.
    private var unsettled: [Sequencer.Item] = []
    var waiting: [Segment] = []
    var phase = Phase.idle

    /// - Parameters:
    ///   - conversationsMax: conversations that are kept in memory.
    ///   - receiptMembersMax: members of a conversation whose receipts all of them are told of.
    package init(conversationsMax: Int, receiptMembersMax: Int = 64) {
        self.receiptMembersMax = receiptMembersMax
        self.sequencer = Sequencer(conversationsMax: conversationsMax)
    }

    /// Whether ``begin(_:_:)`` should be called soon even when there is no work.
    package var hasUnsettled: Bool { !self.unsettled.isEmpty }

    // MARK: - Work

    /// Takes work; only when the last turn had no call. Runs of submits share a transaction, and operations between them
    /// keep their place. Receipts come last, all in one: messages matter more, and no order of receipts does.
    package mutating func begin(_ work: [Work], _ circumstances: Circumstances) -> Turn {
        guard case .idle = self.phase else { preconditionFailure("a writer does one thing at a time") }
        var items: [Sequencer.Item] = []
        var receipts: [ReceiptRequest] = []
        for piece in work {
            switch piece {
            case .submit(let ticket, let slot, let submit, let deadline):
                self.deadlines[ticket] = deadline
                items.append(Sequencer.Item(ticket: ticket, slot: slot, submit: submit))
            case .operation(let ticket, let slot, let deadline):
                self.deadlines[ticket] = deadline
                self.appendRound(items)
                items = []
                self.waiting.append(.operation(Run(ticket: ticket, slot: slot)))
            case .receipts(let ticket, let slot, let body, let deadline):
                self.deadlines[ticket] = deadline
                receipts.append(ReceiptRequest(ticket: ticket, slot: slot, body: body))
            }
        }
        self.appendRound(items)
        if self.waiting.isEmpty, self.hasUnsettled {
            self.waiting.append(.messages(Round(pending: [])))
        }
        if !receipts.isEmpty {
            self.waiting.append(.receipts(ReceiptRound(requests: receipts)))
        }
        var turn = Turn()
        self.next(circumstances, &turn)
        return turn
    }

    /// Takes the answer to the call of the last turn.
    package mutating func resume(_ answer: DatabaseAnswer, _ circumstances: Circumstances) -> Turn {
        var turn = Turn()
        let phase = self.phase
        self.phase = .idle
        switch (phase, answer) {
        case (.readingView(let segment), _):
            // Whether it could be read or not: what is owned by now is what counts.
            self.advance(segment, circumstances, &turn)
        case (.loading(let round, _), .failed(let error)), (.lookingBack(let round, _), .failed(let error)),
            (.appending(let round, _), .failed(let error)):
            self.failed(round, error, &turn)
        case (.operating(let run), .failed(let error)):
            self.failed(run, error, &turn)
        case (.loadingForReceipts(let round, _), .failed(let error)),
            (.storingReceipts(let round, _), .failed(let error)):
            self.failed(round, error, circumstances, &turn)
        case (.loadingForReceipts(let round, let epoch), .loaded(let states)):
            self.loaded(states, round, epoch: epoch, &turn)
        case (.storingReceipts(_, let plan), .receiptsStored(let stored)):
            self.stored(stored, plan, &turn)
        case (.loading(let round, let epoch), .loaded(let states)):
            self.loaded(states, round, epoch: epoch, circumstances, &turn)
        case (.lookingBack(let round, let epoch), .lookedBack(let found)):
            self.lookedBack(found, round, epoch: epoch, circumstances, &turn)
        case (.appending(let round, let plan), .appended(let outcome)):
            self.appended(outcome, plan, round, circumstances, &turn)
        case (.operating(let run), .operated(let outcome)):
            self.deadlines[run.ticket] = nil
            self.deliver(outcome.parcels, &turn)
            turn.effects.append(
                .operated(run.ticket, outcome.reply, outbox: outcome.outbox, departure: outcome.departure)
            )
        default:
            preconditionFailure("the answer is not one to the call")
        }
        if turn.call == nil {
            self.next(circumstances, &turn)
        }
        return turn
    }

    /// The writer ends: nothing can be said of what is unsettled.
    package mutating func giveUp() -> Turn {
        var turn = Turn()
        self.fail(self.unsettled, .writeOfUnknownOutcome, &turn)
        self.unsettled = []
        return turn
    }

    private mutating func appendRound(_ items: [Sequencer.Item]) {
        guard !items.isEmpty else { return }
        self.waiting.append(.messages(Round(pending: items)))
    }

    /// Goes on with what waits until a call is needed or nothing is left.
    private mutating func next(_ circumstances: Circumstances, _ turn: inout Turn) {
        while turn.call == nil, !self.waiting.isEmpty {
            var segment = self.waiting.removeFirst()
            if case .messages(var round) = segment {
                // What is unsettled goes first: it is older.
                round.unsettled.formUnion(self.unsettled.map(\.ticket))
                round.mustLookBack = round.mustLookBack || self.hasUnsettled
                round.pending = self.unsettled + round.pending
                self.unsettled = []
                segment = .messages(round)
            }
            self.advance(segment, circumstances, &turn)
        }
    }

    private mutating func advance(_ segment: Segment, _ circumstances: Circumstances, _ turn: inout Turn) {
        switch segment {
        case .messages(let round): self.advance(round, circumstances, &turn)
        case .operation(let run): self.advance(run, circumstances, &turn)
        case .receipts(let round): self.advance(round, circumstances, &turn)
        }
    }
}

// MARK: - Messages

extension Writer {
    private mutating func advance(_ round: Round, _ circumstances: Circumstances, _ turn: inout Turn) {
        var round = round
        self.dropExpired(&round, circumstances.now, &turn)
        guard !round.pending.isEmpty else { return }
        guard let epoch = self.adoptView(circumstances.ownership) else {
            return self.setAside(round, because: .noView, &turn)
        }
        self.sendAway(&round, circumstances.ownership, &turn)
        guard !round.pending.isEmpty else { return }
        let unknown = self.sequencer.unknownConversations(in: round.pending).filter { !round.absent.contains($0) }
        guard unknown.isEmpty else {
            self.phase = .loading(round, epoch: epoch)
            turn.call = .load(unknown)
            return
        }
        self.lookBackOrPlan(round, epoch: epoch, circumstances, &turn)
    }

    private mutating func loaded(
        _ states: [Storage.ConversationState],
        _ round: Round,
        epoch: UInt64,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        self.sequencer.loaded(states, needed: Set(round.pending.map(\.submit.conversation)))
        var round = round
        round.absent.formUnion(self.sequencer.unknownConversations(in: round.pending))
        self.lookBackOrPlan(round, epoch: epoch, circumstances, &turn)
    }

    private mutating func lookBackOrPlan(
        _ round: Round,
        epoch: UInt64,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        guard round.mustLookBack else { return self.plan(round, epoch: epoch, circumstances, &turn) }
        self.phase = .lookingBack(round, epoch: epoch)
        turn.call = .lookBack(
            round.pending.map {
                MessageKey(
                    conversation: $0.submit.conversation,
                    sender: $0.submit.sender,
                    clientMessageID: $0.submit.clientMessageID
                )
            }
        )
    }

    /// Whoever stored a message that is found may have died, or lost the connection, before delivering it: it is delivered
    /// again as it is stored, since a repeat may differ. Devices that have its number already ignore it; whoever joined
    /// after it may not see it.
    private mutating func lookedBack(
        _ found: [MessageKey: Message],
        _ round: Round,
        epoch: UInt64,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        var parcels: [Parcel] = []
        for (key, message) in found.sorted(by: { $0.value.seq < $1.value.seq }) {
            self.sequencer.found(
                SenderMessageID(sender: key.sender, clientMessageID: key.clientMessageID),
                in: key.conversation,
                at: StoredPlace(seq: message.seq, createdAt: message.createdAt)
            )
            guard let members = self.sequencer[key.conversation]?.members else { continue }
            var parcel = Parcel(conversation: key.conversation, content: .message(message), members: members)
            parcel.laterMembers = Set(members.all.filter { $0.joinedSeq >= message.seq }.map(\.user))
            parcels.append(parcel)
        }
        self.deliver(parcels, &turn)
        var round = round
        round.mustLookBack = false
        self.plan(round, epoch: epoch, circumstances, &turn)
    }

    private mutating func plan(
        _ round: Round,
        epoch: UInt64,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        let plan = self.sequencer.plan(round.pending, now: circumstances.wallClock)
        self.answer(plan.answers, &turn)
        guard !plan.numbered.isEmpty else { return }
        var round = round
        round.pending = plan.items
        self.phase = .appending(round, plan)
        // One by one: a generic sequence would cost an allocation for each across the modules.
        var batch = MessageBatch()
        for numbered in plan.numbered { batch.append(numbered.message) }
        turn.call = .append(batch, epoch: epoch)
    }

    private mutating func appended(
        _ outcome: AppendOutcome,
        _ plan: Sequencer.Plan,
        _ round: Round,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        var round = round
        switch outcome {
        case .stored(let stale):
            let result = self.sequencer.committed(plan, stale: stale)
            self.answer(result.answers, &turn)
            self.deliver(
                result.deliveries.map {
                    Parcel(conversation: $0.message.conversation, content: .message($0.message), members: $0.members)
                },
                &turn
            )
            round.pending = result.again
        case .duplicateClientMessageID:
            round.mustLookBack = true
        }
        self.advance(round, circumstances, &turn)
    }

    private mutating func failed(_ round: Round, _ error: StorageError, _ turn: inout Turn) {
        switch error.code {
        case .staleEpoch:
            self.phase = .readingView(.messages(round))
            turn.call = .readView
        case .outcomeUnknown:
            self.sequencer.forget(round.pending.map(\.submit.conversation))
            self.unsettled = round.pending
        case .internal where round.pending.count > 1:
            // One message that the database refuses must not take down those that share its transaction.
            self.waiting =
                round.pending.map { item in
                    .messages(
                        Round(
                            pending: [item],
                            unsettled: round.unsettled.intersection([item.ticket]),
                            mustLookBack: round.unsettled.contains(item.ticket)
                        )
                    )
                } + self.waiting
        case .unavailable, .diskFull, .wrongDatabase, .busy, .internal:
            self.setAside(round, because: Failure(error), &turn)
        }
    }

    /// What nobody waits for any more is not begun; a client that still wants it sends it again.
    private mutating func dropExpired(_ round: inout Round, _ now: NIODeadline, _ turn: inout Turn) {
        let expired = round.pending.filter { (self.deadlines[$0.ticket] ?? now) <= now }
        guard !expired.isEmpty else { return }
        let unsettled = expired.filter { round.unsettled.contains($0.ticket) }
        self.fail(unsettled, .writeOfUnknownOutcome, &turn)
        if !unsettled.isEmpty { turn.effects.append(.untold) }
        self.fail(expired.filter { !round.unsettled.contains($0.ticket) }, .writerTooLate, &turn)
        let gone = Set(expired.map(\.ticket))
        round.pending.removeAll { gone.contains($0.ticket) }
    }

    /// Answers `moved` to what belongs to another router. What may have been stored is settled by that one, which finds
    /// it by its client message id.
    private mutating func sendAway(_ round: inout Round, _ ownership: SlotOwnership, _ turn: inout Turn) {
        round.pending.removeAll { item in
            guard !ownership.isOwn(item.slot) else { return false }
            self.deadlines[item.ticket] = nil
            turn.effects.append(.moved(item.ticket))
            return true
        }
    }

    /// The shard cannot be used: what is certainly not stored is refused, what may be is kept to be settled.
    private mutating func setAside(_ round: Round, because failure: Failure, _ turn: inout Turn) {
        self.unsettled = round.pending.filter { round.unsettled.contains($0.ticket) }
        self.fail(round.pending.filter { !round.unsettled.contains($0.ticket) }, failure, &turn)
    }

    private mutating func answer(
        _ answers: [(ticket: Ticket, answer: Sequencer.Answer)],
        _ turn: inout Turn
    ) {
        for (ticket, answer) in answers {
            self.deadlines[ticket] = nil
            switch answer {
            case .accepted(let accepted): turn.effects.append(.accepted(ticket, accepted))
            case .failed(let failure): turn.effects.append(.failed(ticket, failure))
            case .outOfOrder: turn.effects.append(.outOfOrder(ticket))
            }
        }
    }

    private mutating func fail(_ items: [Sequencer.Item], _ failure: Failure, _ turn: inout Turn) {
        self.answer(items.map { ($0.ticket, .failed(failure)) }, &turn)
    }

    func deliver(_ parcels: [Parcel], _ turn: inout Turn) {
        guard !parcels.isEmpty else { return }
        turn.effects.append(.deliver(parcels))
    }
}

// MARK: - The view

extension Writer {
    /// The epoch to act under, after forgetting what another router may have changed meanwhile.
    mutating func adoptView(_ ownership: SlotOwnership) -> UInt64? {
        guard let view = ownership.view else { return nil }
        if view.epoch != self.epoch {
            if view.epoch == self.epoch + 1 {
                self.sequencer.keepOnly { ownership.isOwn($0) }
            } else {
                // A view in between was missed: a slot may have been away and have come back.
                self.sequencer.forgetAll()
            }
            self.epoch = view.epoch
        }
        return view.epoch
    }
}
