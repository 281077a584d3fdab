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
    private let collected = Mutex(Collected())
    private let former = Mutex(FormerMembers())
    private let handOvers = Mutex<[String: HandOver]>([:])

    /// Held while what one router sent is handed to the event loops.
    private final class HandOver: Sendable {
        let underWay = Mutex(())
    }

    private struct Collected {
        /// By the name of the router; bounded by the credit that the mesh gives to a peer.
        var events: [String: [LiveEvent]] = [:]
        var audiences = NumberedAudiences()
        var placements = AudienceCache<[Int: [UserID]]>()
        /// Conversations whose recipients were named by a number that is not known here, by the router that named them.
        var unknown: [String: Set<ConversationID>] = [:]
        /// The routers whose events are among those that one router sent: its own, and what it passed on.
        var origins: [String: Set<String>] = [:]
    }

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

    /// - Parameter path: the router over whose link it came, if it passed it on for the other.
    func deliverReceived(_ payload: ByteBuffer, from router: String, through path: String? = nil) {
        do throws(FieldError) {
            let deliver = try Deliver(decoding: payload)
            let path = path ?? router
            guard deliver.audience > 0 else {
                return self.collect(LiveEvent(deliver, in: self.spoken), from: router, through: path)
            }
            self.collect(numbered: deliver, from: router, through: path)
        } catch {
            self.malformed(error, from: router)
        }
    }

    func audienceReceived(_ payload: ByteBuffer, from router: String, through path: String? = nil) {
        do throws(FieldError) {
            let update = try AudienceUpdate(decoding: payload)
            self.collected.withLock { $0.audiences.take(update, from: router, through: path) }
        } catch {
            self.malformed(error, from: router)
        }
    }

    func linkDown(_ router: String) {
        self.readComplete(from: router)
        self.collected.withLock { $0.audiences.forget(router) }
    }

    func eventReceived(_ payload: ByteBuffer, from router: String) {
        do throws(FieldError) {
            let event = try ConversationEvent(decoding: payload)
            self.presence.conversationChanged(event)
            self.collect(LiveEvent(event, in: self.spoken), from: router)
        } catch {
            self.malformed(error, from: router)
        }
    }

    func receiptsReceived(_ payload: ByteBuffer, from router: String) {
        do throws(FieldError) {
            for event in LiveEvent.receipts(try ReceiptsEvent(decoding: payload), in: self.spoken) {
                self.collect(event, from: router)
            }
        } catch {
            self.malformed(error, from: router)
        }
    }

    /// From now on no late message goes to those who left, of a former owner or on its way through another router.
    ///
    /// What is being handed over at this moment may have been looked at before: it is waited for, some microseconds.
    func membersLeft(_ question: SettleDeliveries) {
        guard let conversation = question.conversation else { return }
        self.former.withLock { $0.left(conversation, question.users, through: question.through, now: .now()) }
        for handOver in self.handOvers.withLock({ Array($0.values) }) { handOver.underWay.withLock { _ in } }
    }

    /// Bounded by the routers that there ever were while this edge lived.
    private func handOver(of router: String) -> HandOver {
        self.handOvers.withLock { handOvers in
            if let known = handOvers[router] { return known }
            let new = HandOver()
            handOvers[router] = new
            return new
        }
    }

    func malformed(_ error: FieldError, from router: String) {
        self.metrics.malformedNotifications.increment()
        self.logger.warning(
            "A notification was not understood",
            metadata: .keys([.peer: "\(router)", .reason: "\(error)"])
        )
    }

    func readComplete(from router: String) {
        var (events, origins, unknown) = self.collected.withLock { collected in
            let origins = collected.origins.removeValue(forKey: router) ?? [router]
            let unknown = origins.map { ($0, collected.unknown.removeValue(forKey: $0) ?? []) }
            return (collected.events.removeValue(forKey: router) ?? [], origins, unknown)
        }
        for (origin, conversations) in unknown { self.report(unknown: conversations, to: origin) }
        guard !events.isEmpty else { return }
        self.handOver(of: router).underWay.withLock { _ in
            self.withhold(&events)
            self.handOver(events, origins: origins)
        }
    }

    private func handOver(_ events: [LiveEvent], origins: Set<String>) {
        self.metrics.eventsReceived.increment(by: UInt64(events.count))
        let placements = self.placements(of: events, from: origins)
        var byLoop: [Int: [SessionLoop.Delivery]] = [:]
        for (event, placement) in zip(events, placements) {
            for (loop, recipients) in placement {
                byLoop[loop, default: []].append(
                    SessionLoop.Delivery(
                        frame: event.frame,
                        recipients: recipients,
                        audience: event.audience,
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
    }

    /// Of each event, the recipients on each loop that has any.
    private func placements(of events: [LiveEvent], from routers: Set<String>) -> [[Int: [UserID]]] {
        // Read before the index is: what comes meanwhile has it looked up once more.
        let generation = self.index.generation
        let marks = events.map(\.audience)
        // Small conversations have none, and nothing is remembered of them.
        let hasMarks = marks.contains { $0 != nil }
        var placements = [[Int: [UserID]]?](repeating: nil, count: events.count)
        if hasMarks {
            placements = self.collected.withLock { collected in
                marks.map { $0.flatMap { collected.placements.found($0, generation) } }
            }
        }
        let missing = events.indices.filter { placements[$0] == nil }
        guard !missing.isEmpty else { return placements.compactMap { $0 } }
        let (lists, places) = Self.recipientLists(missing.map { events[$0] })
        let placement = self.index.place(lists)
        for (index, place) in zip(missing, places) { placements[index] = placement.byLoop[place] }
        if hasMarks {
            self.collected.withLock { collected in
                for index in missing {
                    guard let mark = marks[index], let found = placements[index] else { continue }
                    collected.placements.remember(found, size: events[index].recipients.count, mark, generation)
                }
            }
        }
        for router in routers { self.report(absent: placement.absent, to: router) }
        return placements.compactMap { $0 }
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
                events[index].audience = nil
            }
        }
    }

    private var spoken: SpokenSubprotocols { SpokenSubprotocols(self.loops) }

    private func collect(_ event: LiveEvent, from router: String, through path: String? = nil) {
        self.collected.withLock { collected in
            collected.events[path ?? router, default: []].append(event)
            if let path { Self.note(router, through: path, &collected) }
        }
    }

    /// What only ever comes from the router itself needs no note.
    private static func note(_ router: String, through path: String, _ collected: inout Collected) {
        guard router != path || collected.origins[path] != nil else { return }
        collected.origins[path, default: [path]].insert(router)
    }

    private func collect(numbered deliver: Deliver, from router: String, through path: String) {
        let conversation = deliver.message.conversation
        let audience = self.collected.withLock { collected in
            let known = collected.audiences.recipients(conversation, number: deliver.audience, from: router)
            if known == nil {
                collected.unknown[router, default: []].insert(conversation)
                Self.note(router, through: path, &collected)
            }
            return known
        }
        guard let audience else { return }
        self.collect(LiveEvent(deliver, audience: audience, in: self.spoken), from: router, through: path)
    }

    /// The different lists of recipients, and for each event the place of its own among them: what one audience is sent in
    /// one go is looked up once.
    private static func recipientLists(
        _ events: [LiveEvent]
    ) -> (lists: [(recipients: [UserID], absenceIsNews: Bool)], places: [Int]) {
        var lists: [(recipients: [UserID], absenceIsNews: Bool)] = []
        var known: [NumberedAudiences.Mark: Int] = [:]
        let places = events.map { event in
            if let mark = event.audience, let place = known[mark] { return place }
            if let mark = event.audience { known[mark] = lists.count }
            lists.append((event.recipients, event.absenceIsNews))
            return lists.count - 1
        }
        return (lists, places)
    }

    /// The router tells them anew with the next message. What could not be delivered meanwhile the sessions ask for.
    private func report(unknown conversations: Set<ConversationID>, to router: String) {
        guard !conversations.isEmpty else { return }
        self.metrics.audiencesUnknown.increment(by: UInt64(conversations.count))
        Self.eachPart(of: conversations, atMost: SessionUnknown.conversationsMax) {
            self.tell(SessionUnknown(users: [], conversations: $0), router, class: .durable)
        }
        for loop in self.loops { loop.eventsWereLost() }
    }

    /// The router looks them up anew; should this get lost, the next message for them brings it again.
    private func report(absent: Set<UserID>, to router: String) {
        guard !absent.isEmpty else { return }
        self.metrics.recipientsAbsent.increment(by: UInt64(absent.count))
        Self.eachPart(of: absent, atMost: Limits.usersPerFrameMax) {
            self.tell(SessionUnknown(users: $0), router, class: .ephemeral)
        }
    }

    private func tell(_ unknown: SessionUnknown, _ router: String, class trafficClass: TrafficClass) {
        self.links.notify(
            kind: NotificationKind.sessionUnknown.rawValue,
            payload: unknown.encoded(),
            to: router,
            class: trafficClass
        )
    }

    private static func eachPart<Element: Comparable>(
        of all: Set<Element>,
        atMost count: Int,
        _ body: ([Element]) -> Void
    ) {
        let sorted = all.sorted()
        for start in stride(from: 0, to: sorted.count, by: count) {
            body(Array(sorted[start..<min(start + count, sorted.count)]))
        }
    }
}
