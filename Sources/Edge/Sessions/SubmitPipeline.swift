// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
internal import Fields
package import Messaging
package import NIOCore
package import Placement
package import Wire

/// The messages of one session that have no answer yet. Pure; exists only while there are any.
///
/// One ``SubmitQueue`` per conversation keeps the client's order there; messages to different conversations do not wait
/// for each other.
package struct SubmitPipeline {
    package typealias Ticket = SubmitQueue.Ticket

    package struct Message {
        package var id: CommandID
        package var conversation: ConversationID
        package var clientMessageID: ClientMessageID
        package var slot: Slot
        /// The encoded ``Submit``, for as many attempts as it takes.
        package var payload: ByteBuffer
        package var receivedAt: NIODeadline
        package var deadline: NIODeadline

        package init(
            id: CommandID,
            conversation: ConversationID,
            clientMessageID: ClientMessageID,
            slot: Slot,
            payload: ByteBuffer,
            receivedAt: NIODeadline,
            deadline: NIODeadline
        ) {
            self.id = id
            self.conversation = conversation
            self.clientMessageID = clientMessageID
            self.slot = slot
            self.payload = payload
            self.receivedAt = receivedAt
            self.deadline = deadline
        }
    }

    private var messages: [Ticket: Message] = [:]
    private var queues: [ConversationID: SubmitQueue] = [:]
    private var nextTicket: Ticket = 0

    package init() {}

    /// At most the session's bound; whoever calls ``add(_:)`` checks it.
    package var count: Int { self.messages.count }

    package subscript(ticket: Ticket) -> Message? { self.messages[ticket] }

    /// Takes a message. Returns its ticket when it is to be sent at once; nil when it waits for others.
    package mutating func add(_ message: Message) -> Ticket? {
        let ticket = self.nextTicket
        self.nextTicket += 1
        self.messages[ticket] = message
        switch self.queues[message.conversation, default: SubmitQueue()].enqueue(ticket) {
        case .send: return ticket
        case .hold: return nil
        }
    }

    /// What goes to the owner in an attempt: the encoded ``Submit``, with the message that has to be stored before it.
    package func payload(of ticket: Ticket) -> ByteBuffer? {
        guard let message = self.messages[ticket] else { return nil }
        let previous = self.queues[message.conversation]?.predecessor(of: ticket).flatMap { self.messages[$0] }
        guard let previous else { return message.payload }
        var writer = FieldWriter()
        Submit.encode(previous: previous.clientMessageID, into: &writer)
        var payload = message.payload
        payload.writeImmutableBuffer(writer.buffer)
        return payload
    }

    package struct Outcome {
        /// The message that has its end, and which.
        package var finished: (message: Message, end: End)?
        /// Call ``resume(_:now:)`` for the conversation after this time.
        package var pause: (conversation: ConversationID, milliseconds: Int)?
    }

    package enum End {
        case accepted(Accepted)
        case failed(Failure)
    }

    /// What became of an attempt.
    package mutating func attemptEnded(
        _ ticket: Ticket,
        _ outcome: AttemptOutcome,
        using generator: inout some RandomNumberGenerator
    ) -> Outcome {
        guard let message = self.messages[ticket], var queue = self.queues[message.conversation] else {
            return Outcome()
        }
        var end: End?
        switch outcome {
        case .answered(let body):
            if let accepted = try? Accepted(decoding: body) {
                end = .accepted(accepted)
            } else {
                end = .failed(.notUnderstood)
            }
        case .failed(let failure):
            end = .failed(failure.after(mayHaveArrived: queue.mayHaveArrived(ticket)))
        case .expired(let mayHaveArrived):
            end = .failed(.outOfTime(mayHaveArrived: mayHaveArrived || queue.mayHaveArrived(ticket)))
        case .retry:
            break
        }
        let action: SubmitQueue.OutcomeAction
        if case .retry(let mayHaveArrived) = outcome {
            action = queue.failed(ticket, mayHaveArrived: mayHaveArrived, using: &generator)
        } else {
            action = queue.answered(ticket, using: &generator)
            self.messages[ticket] = nil
        }
        self.queues[message.conversation] = queue.isEmpty ? nil : queue
        var result = Outcome()
        if let end { result.finished = (message, end) }
        if case .pause(let milliseconds) = action { result.pause = (message.conversation, milliseconds) }
        return result
    }

    package struct Resumption {
        /// To be sent, in this order.
        package var send: [Ticket] = []
        package var expired: [(message: Message, failure: Failure)] = []
    }

    /// A conversation's pause is over.
    package mutating func resume(_ conversation: ConversationID, now: NIODeadline) -> Resumption {
        guard var queue = self.queues[conversation] else { return Resumption() }
        let resumed = queue.resume { ticket in self.messages[ticket].map { $0.deadline <= now } ?? true }
        self.queues[conversation] = queue.isEmpty ? nil : queue
        var resumption = Resumption(send: resumed.send)
        for expired in resumed.expired {
            guard let message = self.messages.removeValue(forKey: expired.ticket) else { continue }
            resumption.expired.append((message, .outOfTime(mayHaveArrived: expired.mayHaveArrived)))
        }
        return resumption
    }
}
