// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Edge
import Messaging
import Wire

/// What routers send for clients.
extension SimulatedEdge {
    func audienceReceived(_ update: AudienceUpdate, from router: SimulatedRouter) {
        self.audiences.take(update, from: router.name)
    }

    func deliverReceived(_ deliver: Deliver, from router: SimulatedRouter) {
        guard deliver.audience > 0 else { return self.deliver(deliver, to: deliver.recipients, from: router) }
        let conversation = deliver.message.conversation
        guard let (_, users) = self.audiences.recipients(conversation, number: deliver.audience, from: router.name)
        else {
            self.cluster.link(self, router)?.send(from: self) {
                router.sessionUnknownReceived(SessionUnknown(users: [], conversations: [conversation]))
            }
            return self.somethingWasLost()
        }
        self.deliver(deliver, to: users, from: router)
    }

    private func deliver(_ deliver: Deliver, to recipients: [UserID], from router: SimulatedRouter) {
        let placement = self.index.place([(recipients, !deliver.isBroadcast)])
        let users = Set(placement.byLoop.flatMap { $0.values.flatMap { $0 } })
        let message = DeliveredMessage(deliver.message)
        for session in self.openSessions
        where users.contains(session.device.user) && session.device.id != deliver.message.senderDevice {
            session.offer(message.conversationID, seq: message.seq) { [unowned self] in
                session.link.send(from: self) { session.device.received(message, session.link) }
            }
        }
        guard !placement.absent.isEmpty else { return }
        self.cluster.link(self, router)?.send(from: self) {
            router.sessionUnknownReceived(SessionUnknown(users: placement.absent.sorted()))
        }
    }

    func eventReceived(_ event: ConversationEvent) {
        let recipients = Set(event.recipients)
        for session in self.openSessions where recipients.contains(session.device.user) {
            session.offer(event.conversation.id, seq: 0) { [unowned self] in
                session.link.send(from: self) {
                    session.device.conversationChanged(event.conversation.id, session.link)
                }
            }
        }
    }

    func receiptsReceived(_ event: ReceiptsEvent) {
        let recipients = Set(event.recipients)
        for session in self.openSessions where recipients.contains(session.device.user) {
            let entries = event.isPrivate ? event.entries.filter { $0.user == session.device.user } : event.entries
            session.offer(event.conversation, seq: 0, isReceipts: true) { [unowned self] in
                session.link.send(from: self) {
                    session.device.receiptsReceived(entries, in: event.conversation, session.link)
                }
            }
        }
    }
}
