// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
internal import Messaging
internal import NIOCore

extension TrunklineSession {
    /// Takes a message and sends it as soon as there is a connection with room for it; `acknowledged` or `failed`
    /// tells its end. Messages are sent in the order in which they were given.
    ///
    /// - Returns: False when the session has ended or ``Settings/outboxMessagesMax`` messages wait: nothing was taken.
    package func send(_ request: SendMessageRequest) -> Bool {
        self.eventLoop.preconditionInEventLoop()
        guard !self.hasEnded, self.outbox.add(request, now: .now()) else { return false }
        self.sendWaiting()
        return true
    }

    func sendWaiting() {
        guard case .open(let socket) = self.phase else { return }
        while socket.hasRoom, let next = self.outbox.nextToSend() {
            guard let command = socket.send(next.request) else { return }
            if next.isRepeated { self.statistics.repeatedSends += 1 }
            self.outbox.sent(next.ticket, as: command, now: .now())
        }
    }

    func receivedAnswer(_ command: UInt64, _ fields: MessageSent) {
        let entry = self.outbox.acknowledged(command)
        self.emit(.acknowledged(fields, attempts: entry?.attempts ?? 0))
        if let entry {
            let message = DeliveredMessage(
                messageID: fields.messageID,
                conversationID: fields.conversationID,
                seq: fields.seq,
                senderID: self.credentials.user,
                clientMessageID: fields.clientMessageID,
                kind: entry.request.kind,
                body: entry.request.body,
                createdAt: fields.createdAt
            )
            self.take(message, .own) { $0.acknowledged(message) }
        }
        self.sendWaiting()
    }

    func receivedRefusal(_ command: UInt64, _ error: TrunklineError) {
        let now = NIODeadline.now()
        let pause = self.settings.retry.pause(attempt: 1, using: &self.generator)
        let request = self.outbox.request(of: command)
        switch self.outbox.refused(command, error, pause: pause, now: now) {
        case .retry(let time):
            self.statistics.retryableErrors[error.name, default: 0] += 1
            self.eventLoop.assumeIsolated().scheduleTask(deadline: time) {
                self.outbox.pauseEnded(now: .now())
                self.sendWaiting()
            }
            if let request { self.emit(.refused(request, error)) }
        case .giveUp(let entry, let error):
            self.emit(.failed(entry.request, error))
        case .none:
            break
        }
        self.sendWaiting()
    }
}
