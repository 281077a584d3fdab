// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import NIOCore
package import Wire

/// Merges the receipts of all sessions of an edge on their way to the owners of the conversations. Pure.
///
///     idle ──add──▶ in flight ──ended──▶ in flight (what came meanwhile, merged) … ──ended──▶ idle
///                       └──to be repeated──▶ pausing ──resume──▶ in flight (all of it, merged)
///
/// For each conversation one request is under way at most. The first receipt goes at once; what comes until it is answered
/// becomes the next request, one entry for each user. So an idle edge adds no wait, and a busy one merges the more the
/// longer the owner takes, without a timer. A watermark may be sent again and merged with what came meanwhile, so there is
/// no order to keep.
package struct ReceiptMerger {
    /// The shell's name for a receipt.
    package typealias Ticket = UInt64

    /// Receipts of an edge that have no answer; more are refused, and their clients told when to send them again.
    static let receiptsMax = 65_536

    package struct Receipt {
        package var ticket: Ticket
        package var user: UserID
        package var watermarks: Watermarks
        package var deadline: NIODeadline
        /// Some attempt with it may have reached a router.
        var mayHaveArrived = false

        package init(ticket: Ticket, user: UserID, watermarks: Watermarks, deadline: NIODeadline) {
            self.ticket = ticket
            self.user = user
            self.watermarks = watermarks
            self.deadline = deadline
        }
    }

    /// To be sent to the conversation's owner; call ``ended(_:_:now:using:)`` with what becomes of it.
    package struct Request {
        package var body: StoreReceipts
        package var deadline: NIODeadline
    }

    private struct Lane {
        var inFlight: [Receipt] = []
        /// What was asked for in the request that is under way.
        var sent: [UserID: Watermarks] = [:]
        var waiting: [Receipt] = []
        var isPausing = false
        var schedule = RetrySchedule()
    }

    private var lanes: [ConversationID: Lane] = [:]
    private(set) var count = 0

    package init() {}

    package enum AddAction {
        case send(Request)
        case wait
        /// Too many wait: nothing was taken.
        case refuse
    }

    package mutating func add(_ receipt: Receipt, to conversation: ConversationID) -> AddAction {
        guard self.count < Self.receiptsMax else { return .refuse }
        self.count += 1
        var lane = self.lanes.removeValue(forKey: conversation) ?? Lane()
        lane.waiting.append(receipt)
        let request = lane.inFlight.isEmpty && !lane.isPausing ? Self.next(&lane, conversation) : nil
        self.lanes[conversation] = lane
        return request.map { .send($0) } ?? .wait
    }

    package struct Outcome {
        package var finished: [(ticket: Ticket, result: Result<Watermarks, Failure>)] = []
        package var request: Request?
        /// Call ``resume(_:now:)`` after so many milliseconds.
        package var pause: Int?
    }

    /// What became of the request of a conversation.
    package mutating func ended(
        _ conversation: ConversationID,
        _ outcome: AttemptOutcome,
        now: NIODeadline,
        using generator: inout some RandomNumberGenerator
    ) -> Outcome {
        guard var lane = self.lanes.removeValue(forKey: conversation) else { return Outcome() }
        var result = Outcome()
        let receipts = lane.inFlight
        lane.inFlight = []
        switch outcome {
        case .answered(let body):
            lane.schedule.reset()
            self.answered(try? ReceiptsStored(decoding: body), receipts, &lane, &result)
        case .failed(let failure):
            result.finished = receipts.map { ($0.ticket, .failure(failure)) }
        case .expired(let mayHaveArrived):
            result.finished = receipts.map {
                ($0.ticket, .failure(.outOfTime(mayHaveArrived: mayHaveArrived || $0.mayHaveArrived)))
            }
        case .retry(let mayHaveArrived):
            let again = receipts.map { receipt in
                var receipt = receipt
                receipt.mayHaveArrived = receipt.mayHaveArrived || mayHaveArrived
                return receipt
            }
            lane.waiting = again + lane.waiting
            lane.isPausing = true
            result.pause = lane.schedule.next(using: &generator)
        }
        self.goOn(&lane, conversation, &result)
        return result
    }

    /// The pause of a conversation is over.
    package mutating func resume(_ conversation: ConversationID, now: NIODeadline) -> Outcome {
        guard var lane = self.lanes.removeValue(forKey: conversation) else { return Outcome() }
        var result = Outcome()
        lane.isPausing = false
        for receipt in lane.waiting where receipt.deadline <= now {
            result.finished.append((receipt.ticket, .failure(.outOfTime(mayHaveArrived: receipt.mayHaveArrived))))
        }
        lane.waiting.removeAll { $0.deadline <= now }
        self.goOn(&lane, conversation, &result)
        return result
    }

    private func answered(
        _ answer: ReceiptsStored?,
        _ receipts: [Receipt],
        _ lane: inout Lane,
        _ result: inout Outcome
    ) {
        guard let answer else {
            result.finished = receipts.map { ($0.ticket, .failure(.notUnderstood)) }
            return
        }
        let stored = Dictionary(answer.entries.map { ($0.user, $0.watermarks) }, uniquingKeysWith: { $0.union($1) })
        var again: [Receipt] = []
        for receipt in receipts {
            guard let watermarks = stored[receipt.user] else {
                result.finished.append((receipt.ticket, .failure(.noSuchConversation)))
                continue
            }
            if watermarks.covers(receipt.watermarks) {
                result.finished.append((receipt.ticket, .success(watermarks)))
            } else if lane.sent[receipt.user]?.delivered == receipt.watermarks.delivered {
                result.finished.append((receipt.ticket, .failure(.beyondNewestMessage)))
            } else {
                // It was merged with one that names no message, for which nothing was taken of either: the largest number
                // of all does that, and has its answer now. So each request ends one receipt at least.
                again.append(receipt)
            }
        }
        lane.waiting = again + lane.waiting
    }

    private mutating func goOn(_ lane: inout Lane, _ conversation: ConversationID, _ result: inout Outcome) {
        self.count -= result.finished.count
        if !lane.isPausing {
            result.request = Self.next(&lane, conversation)
        }
        guard lane.isPausing || !lane.inFlight.isEmpty else { return }
        self.lanes[conversation] = lane
    }

    /// Takes as many of those that wait as fit a request.
    private static func next(_ lane: inout Lane, _ conversation: ConversationID) -> Request? {
        lane.sent = [:]
        var place = 0
        while place < lane.waiting.count {
            let receipt = lane.waiting[place]
            guard lane.sent[receipt.user] != nil || lane.sent.count < Limits.receiptsPerRequestMax else { break }
            lane.sent[receipt.user, default: .zero].formUnion(receipt.watermarks)
            place += 1
        }
        lane.inFlight = Array(lane.waiting[..<place])
        lane.waiting.removeFirst(place)
        guard let deadline = lane.inFlight.map(\.deadline).max() else { return nil }
        let entries = lane.sent.map { MemberWatermarks(user: $0.key, watermarks: $0.value) }
        return Request(body: StoreReceipts(conversation: conversation, entries: entries), deadline: deadline)
    }
}

extension Failure {
    static let beyondNewestMessage = Failure(
        .invalidField,
        "The field `seq` is larger than that of the conversation's newest message."
    )
}
