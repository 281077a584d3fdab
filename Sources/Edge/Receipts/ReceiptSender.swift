// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore
internal import Observability
internal import Placement
import Synchronization
internal import Wire

/// Carries out a ``ReceiptMerger`` for all sessions of an edge. May be used from any thread.
final class ReceiptSender: Sendable {
    typealias Completion = @Sendable (Result<Watermarks, Failure>) -> Void

    private struct State {
        var merger = ReceiptMerger()
        var completions: [ReceiptMerger.Ticket: Completion] = [:]
        var nextTicket: ReceiptMerger.Ticket = 0
    }

    private let routers: RouterClient
    /// Where pauses are waited for.
    private let eventLoop: any EventLoop
    private let metrics: EdgeMetrics
    private let state = Mutex(State())

    init(routers: RouterClient, eventLoop: any EventLoop, metrics: EdgeMetrics) {
        self.routers = routers
        self.eventLoop = eventLoop
        self.metrics = metrics
    }

    /// Has a user's watermarks stored.
    ///
    /// - Parameter completion: called exactly once, on any thread, perhaps before this returns; must not block. With the
    ///   watermarks as they are stored then.
    func store(
        _ watermarks: Watermarks,
        of user: UserID,
        in conversation: ConversationID,
        deadline: NIODeadline,
        completion: @escaping Completion
    ) {
        let action = self.state.withLock { state in
            let ticket = state.nextTicket
            state.nextTicket += 1
            let receipt = ReceiptMerger.Receipt(
                ticket: ticket,
                user: user,
                watermarks: watermarks,
                deadline: deadline
            )
            let action = state.merger.add(receipt, to: conversation)
            if case .refuse = action {} else { state.completions[ticket] = completion }
            return action
        }
        switch action {
        case .send(let request): self.send(request)
        case .wait: break
        case .refuse:
            completion(.failure(.tooManyReceipts))
            return
        }
        self.metrics.receipts.increment()
    }

    private func send(_ request: ReceiptMerger.Request) {
        self.metrics.receiptRequests.increment()
        let conversation = request.body.conversation
        self.routers.attempt(
            .storeReceipts,
            slot: Slot(of: conversation.value),
            body: request.body.encoded(),
            deadline: request.deadline
        ) { outcome in
            self.carryOut(conversation) { merger in
                var generator = SystemRandomNumberGenerator()
                return merger.ended(conversation, outcome, now: .now(), using: &generator)
            }
        }
    }

    private func carryOut(
        _ conversation: ConversationID,
        _ event: (inout ReceiptMerger) -> ReceiptMerger.Outcome
    ) {
        let (outcome, answers) = self.state.withLock { state in
            let outcome = event(&state.merger)
            let answers = outcome.finished.compactMap { finished in
                state.completions.removeValue(forKey: finished.ticket).map { ($0, finished.result) }
            }
            return (outcome, answers)
        }
        for (completion, result) in answers {
            completion(result)
        }
        if let request = outcome.request {
            self.send(request)
        }
        if let pause = outcome.pause {
            self.routers.waits.wait(milliseconds: pause, on: self.eventLoop) {
                self.carryOut(conversation) { $0.resume(conversation, now: .now()) }
            }
        }
    }
}

extension Failure {
    fileprivate static let tooManyReceipts = Failure(
        .overloaded,
        "Too many receipts of this edge wait for their answer; nothing was accepted.",
        retryAfterMilliseconds: Self.standardRetryMilliseconds
    )
}
