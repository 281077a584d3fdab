// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Mesh
internal import Messaging
internal import NIOCore
internal import Observability
import Synchronization
internal import Wire

/// Takes what routers send for clients to the event loops that have the sessions. May be used from any thread.
///
/// What one read of a mesh link brought is collected and goes to each event loop in one piece.
final class DeliveryDispatcher: Sendable {
    private let index: SessionIndex
    private let loops: [SessionLoop]
    private let links: any RouterLinks
    private let metrics: EdgeMetrics
    private let logger: Logger
    private let presence: PresenceService
    /// By the name of the router; bounded by the credit that the mesh gives to a peer.
    private let collected = Mutex<[String: [LiveEvent]]>([:])
    private let former = Mutex(FormerMembers())

    init(
        index: SessionIndex,
        loops: [SessionLoop],
        links: any RouterLinks,
        presence: PresenceService,
        metrics: EdgeMetrics,
        logger: Logger
    ) {
        self.index = index
        self.loops = loops
        self.links = links
        self.presence = presence
        self.metrics = metrics
        self.logger = logger
    }

    func deliverReceived(_ payload: ByteBuffer, from router: String) {
        do throws(FieldError) {
            self.collect(LiveEvent(try Deliver(decoding: payload)), from: router)
        } catch {
            self.malformed(error, from: router)
        }
    }

    func eventReceived(_ payload: ByteBuffer, from router: String) {
        do throws(FieldError) {
            let event = try ConversationEvent(decoding: payload)
            self.presence.conversationChanged(event)
            self.collect(LiveEvent(event), from: router)
        } catch {
            self.malformed(error, from: router)
        }
    }

    func receiptsReceived(_ payload: ByteBuffer, from router: String) {
        do throws(FieldError) {
            for event in LiveEvent.receipts(try ReceiptsEvent(decoding: payload)) {
                self.collect(event, from: router)
            }
        } catch {
            self.malformed(error, from: router)
        }
    }

    /// From now on no late message of a former owner goes to those who left.
    func membersLeft(_ question: SettleDeliveries) {
        guard let conversation = question.conversation else { return }
        self.former.withLock { $0.left(conversation, question.users, through: question.through, now: .now()) }
    }

    func malformed(_ error: FieldError, from router: String) {
        self.metrics.malformedNotifications.increment()
        self.logger.warning(
            "A notification was not understood",
            metadata: .keys([.peer: "\(router)", .reason: "\(error)"])
        )
    }

    func readComplete(from router: String) {
        var events = self.collected.withLock { $0.removeValue(forKey: router) ?? [] }
        guard !events.isEmpty else { return }
        self.withhold(&events)
        self.metrics.eventsReceived.increment(by: UInt64(events.count))
        let placement = self.index.place(events.map { ($0.recipients, $0.absenceIsNews) })
        var byLoop: [Int: [SessionLoop.Delivery]] = [:]
        for (event, loops) in zip(events, placement.byLoop) {
            for (loop, recipients) in loops {
                byLoop[loop, default: []].append(
                    SessionLoop.Delivery(
                        frame: event.frame,
                        recipients: recipients,
                        conversation: event.conversation,
                        seq: event.seq,
                        isReceipts: event.isReceipts,
                        excluded: event.excluded,
                        messageCreatedAt: event.messageCreatedAt
                    )
                )
            }
        }
        for (loop, deliveries) in byLoop {
            self.loops[loop].deliver(deliveries)
        }
        self.report(absent: placement.absent, to: router)
    }

    private func withhold(_ events: inout [LiveEvent]) {
        self.former.withLock { former in
            guard !former.isEmpty else { return }
            former.forget(now: .now())
            for index in events.indices where events[index].seq > 0 {
                let event = events[index]
                let allowed = former.allowed(event.recipients, event.conversation, seq: event.seq)
                guard allowed.count < event.recipients.count else { continue }
                self.metrics.deliveriesWithheld.increment(by: UInt64(event.recipients.count - allowed.count))
                events[index].recipients = allowed
            }
        }
    }

    private func collect(_ event: LiveEvent, from router: String) {
        self.collected.withLock { $0[router, default: []].append(event) }
    }

    /// The router looks them up anew; should this get lost, the next message for them brings it again.
    private func report(absent: Set<UserID>, to router: String) {
        guard !absent.isEmpty else { return }
        self.metrics.recipientsAbsent.increment(by: UInt64(absent.count))
        var rest = absent.sorted()[...]
        while !rest.isEmpty {
            let users = rest.prefix(Limits.conversationMembersMax)
            rest = rest.dropFirst(users.count)
            self.links.notify(
                kind: NotificationKind.sessionUnknown.rawValue,
                payload: SessionUnknown(users: Array(users)).encoded(),
                to: router,
                class: .ephemeral
            )
        }
    }
}
