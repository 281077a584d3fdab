// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Observability
internal import Placement
internal import Wire

/// The messages of a session on their way to the routers and back.
extension SessionHandler {
    func submit(_ request: SendMessageRequest, owner: Session.Owner, id: CommandID) {
        guard self.admitSend(by: owner, id: id) else { return }
        let submit: Submit
        do throws(Failure) {
            guard self.services.mode != .stopping else { throw .stopping }
            guard (self.submits?.count ?? 0) < self.services.settings.submitsInFlightMax else {
                throw .tooManyInFlight
            }
            submit = try Submit(request, from: owner, now: WallClock.now())
        } catch {
            return self.send(.error(id, error))
        }
        let message = SubmitPipeline.Message(
            id: id,
            conversation: submit.conversation,
            clientMessageID: submit.clientMessageID,
            slot: Slot(of: submit.conversation.value),
            payload: submit.encoded(),
            receivedAt: self.now,
            deadline: self.now + TimeAmount(self.services.settings.submitTimeout)
        )
        var submits = self.submits ?? SubmitPipeline()
        let ticket = submits.add(message)
        self.submits = submits
        self.services.metrics.submitsInFlight.add(1)
        if let ticket { self.attempt(ticket) }
    }

    private func attempt(_ ticket: SubmitPipeline.Ticket) {
        guard let message = self.submits?[ticket], let payload = self.submits?.payload(of: ticket) else { return }
        let (loop, session) = (self.loop, self.id)
        self.services.routers.attempt(
            .submit,
            slot: message.slot,
            body: payload,
            deadline: message.deadline
        ) { outcome in
            loop.post(.attemptEnded(ticket, outcome), to: session)
        }
    }

    func attemptEnded(_ ticket: SubmitPipeline.Ticket, _ outcome: AttemptOutcome) {
        guard var submits = self.submits else { return }
        self.submits = nil
        var generator = SystemRandomNumberGenerator()
        let result = submits.attemptEnded(ticket, outcome, using: &generator)
        self.submits = submits.count > 0 ? submits : nil
        if let (message, end) = result.finished {
            switch end {
            case .accepted(let accepted): self.finish(message, accepted)
            case .failed(let failure): self.finish(message, failure)
            }
        }
        if let (conversation, milliseconds) = result.pause {
            let eventLoop = self.loop.eventLoop
            let bound = NIOLoopBound(self, eventLoop: eventLoop)
            self.services.routers.waits.wait(milliseconds: milliseconds, on: eventLoop) {
                eventLoop.execute { bound.value.resume(conversation) }
            }
        }
    }

    private func resume(_ conversation: ConversationID) {
        guard var submits = self.submits else { return }
        let resumption = submits.resume(conversation, now: self.now)
        self.submits = submits.count > 0 ? submits : nil
        for (message, failure) in resumption.expired {
            self.finish(message, failure)
        }
        for ticket in resumption.send {
            self.attempt(ticket)
        }
        self.flushIfNeeded()
    }

    private func finish(_ message: SubmitPipeline.Message, _ accepted: Accepted) {
        self.ended(message)
        let sent = MessageSent(
            conversationID: message.conversation,
            clientMessageID: message.clientMessageID,
            seq: accepted.seq,
            createdAt: Timestamp(accepted.createdAt),
            isDuplicate: accepted.duplicate
        )
        self.send(.messageSent(message.id, sent))
    }

    private func finish(_ message: SubmitPipeline.Message, _ failure: Failure) {
        self.ended(message)
        self.send(.error(message.id, failure))
    }

    private func ended(_ message: SubmitPipeline.Message) {
        self.services.metrics.submitsInFlight.add(-1)
        let duration = self.now - message.receivedAt
        self.services.metrics.submitDuration.observe(.nanoseconds(duration.nanoseconds))
    }
}

extension Failure {
    static let stopping = Failure(
        .unavailable,
        "This edge stops; connect to another one.",
        retryAfterMilliseconds: Self.standardRetryMilliseconds
    )

    fileprivate static let tooManyInFlight = Failure(
        .overloaded,
        "Too many messages of this session wait for their answer.",
        retryAfterMilliseconds: 100
    )
}
