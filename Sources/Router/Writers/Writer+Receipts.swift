// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// Receipts that go through one transaction together, after the messages of the same work.
struct ReceiptRound {
    var requests: [ReceiptRequest]
    /// Conversations that were read in this round: those that are still unknown do not exist.
    var alreadyRead: Set<ConversationID> = []
    var attempts = 0
    /// A transaction with these may have committed.
    var mayBeStored = false
}

/// What a ``Writer`` does with receipts.
///
/// Unlike a message, a receipt of unknown outcome has no state to be kept: storing it again leads to the same, and what is
/// told to the members is what the database answered, whoever of two lost transactions stored it.
extension Writer {
    /// How often a round is begun again after a lost connection or a new view.
    private static let receiptAttemptsMax = 3

    mutating func advance(_ round: ReceiptRound, _ circumstances: Circumstances, _ turn: inout Turn) {
        var round = round
        let now = circumstances.now
        let expired = round.requests.filter { (self.deadlines[$0.ticket] ?? now) <= now }
        self.fail(expired, round.mayBeStored ? .receiptsOfUnknownOutcome : .writerTooLate, &turn)
        round.requests.removeAll { (self.deadlines[$0.ticket] ?? now) <= now }
        guard !round.requests.isEmpty else { return }
        guard let epoch = self.adoptView(circumstances.ownership) else {
            return self.fail(round.requests, .noView, &turn)
        }
        round.requests.removeAll { request in
            guard !circumstances.ownership.isOwn(request.slot) else { return false }
            self.deadlines[request.ticket] = nil
            turn.effects.append(.moved(request.ticket))
            return true
        }
        guard !round.requests.isEmpty else { return }
        let unread = ReceiptPlan.conversationsToLoad(round.requests, self.sequencer, alreadyRead: round.alreadyRead)
        guard unread.isEmpty else {
            self.phase = .loadingForReceipts(round, epoch: epoch)
            turn.call = .load(unread)
            return
        }
        self.plan(round, epoch: epoch, &turn)
    }

    mutating func loaded(
        _ states: [Storage.ConversationState],
        _ round: ReceiptRound,
        epoch: UInt64,
        _ turn: inout Turn
    ) {
        let asked = ReceiptPlan.conversationsToLoad(round.requests, self.sequencer, alreadyRead: round.alreadyRead)
        self.sequencer.forget(Set(asked).subtracting(states.map(\.conversation.id)))
        self.sequencer.loaded(states, needed: Set(round.requests.map(\.body.conversation)))
        var round = round
        round.alreadyRead.formUnion(asked)
        self.plan(round, epoch: epoch, &turn)
    }

    private mutating func plan(_ round: ReceiptRound, epoch: UInt64, _ turn: inout Turn) {
        let plan = ReceiptPlan(round.requests, self.sequencer)
        self.answer(plan.answers, &turn)
        if !plan.rest.isEmpty {
            self.waiting.insert(.receipts(ReceiptRound(requests: plan.rest)), at: 0)
        }
        guard !plan.batch.isEmpty else { return }
        var round = round
        round.requests = plan.waiting
        self.phase = .storingReceipts(round, plan)
        turn.call = .storeReceipts(plan.batch, epoch: epoch)
    }

    mutating func stored(_ stored: [MemberKey: Watermarks], _ plan: ReceiptPlan, _ turn: inout Turn) {
        let outcome = plan.committed(stored, &self.sequencer, membersMax: self.receiptMembersMax)
        self.answer(outcome.answers, &turn)
        self.deliver(outcome.parcels, &turn)
    }

    mutating func failed(
        _ round: ReceiptRound,
        _ error: StorageError,
        _ circumstances: Circumstances,
        _ turn: inout Turn
    ) {
        var round = round
        round.attempts += 1
        round.alreadyRead = []
        round.mayBeStored = round.mayBeStored || error.code == .outcomeUnknown
        let mayGoOn = round.attempts < Self.receiptAttemptsMax
        switch error.code {
        case .staleEpoch where mayGoOn:
            self.phase = .readingView(.receipts(round))
            turn.call = .readView
        case .outcomeUnknown where mayGoOn:
            self.advance(round, circumstances, &turn)
        case .staleEpoch, .outcomeUnknown, .unavailable, .diskFull, .wrongDatabase, .busy, .internal:
            self.fail(round.requests, round.mayBeStored ? .receiptsOfUnknownOutcome : Failure(error), &turn)
        }
    }

    private mutating func answer(_ answers: [(ticket: Ticket, answer: ReceiptsStored)], _ turn: inout Turn) {
        for (ticket, answer) in answers {
            self.deadlines[ticket] = nil
            turn.effects.append(.receiptsStored(ticket, answer))
        }
    }

    private mutating func fail(_ requests: [ReceiptRequest], _ failure: Failure, _ turn: inout Turn) {
        for request in requests {
            self.deadlines[request.ticket] = nil
            turn.effects.append(.failed(request.ticket, failure))
        }
    }
}

extension Failure {
    fileprivate static let receiptsOfUnknownOutcome = Failure(
        .outcomeUnknown,
        "The database went away while it stored this; send it again.",
        retryAfterMilliseconds: 500
    )
}
