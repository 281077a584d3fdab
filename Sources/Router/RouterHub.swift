// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Mesh
import Messaging
import NIOCore
import Placement
import Storage
import Synchronization
import Wire

/// Where the parts of a router meet: the mesh tells it what arrives, writers and audiences tell it what to send.
///
/// It holds no state of its own. The mesh needs its delegate before the other parts exist, so they are attached once,
/// before the router starts.
package final class RouterHub: Sendable {
    struct Parts: Sendable {
        var mesh: MeshNode
        var routing: RoutingState
        var witnesses: WitnessBoard
        var links: RouterLinks
        var settler: DeliverySettler
        var registry: SessionRegistry
        var dispatchers: [AudienceDispatcher]
        var requests: RequestDispatcher
        var presence: PresenceKeeper
        var typing: TypingCarrier
        var shards: ShardRoster
        /// A catalog was read that is newer than any before.
        var catalogued: @Sendable (ShardCatalog) -> Void
        var requestTimeout: Duration
        var journal: ChangeJournal
        var teller: ProgressTeller
        var station: RelayStation
        var operate: @Sendable (OperateNode) -> Result<NodeReport, Failure>
    }

    private let attached = Mutex<Parts?>(nil)
    /// Links go up and down on several event loops: held from the change to the telling, so that no audience is told an
    /// older set of edges after a newer one.
    private let edgeChanges = Mutex(())
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func attach(_ parts: Parts) {
        self.attached.withLock { $0 = parts }
    }

    private var parts: Parts? { self.attached.withLock { $0 } }

    // MARK: - Routing

    /// Everybody linked hears of a new map or view.
    func routingChanged(_ news: RoutingNews) {
        guard let parts = self.parts else { return }
        parts.journal.routingChanged(parts.routing.snapshot)
        parts.presence.routingChanged()
        let payload = news.encoded()
        for peer in parts.mesh.peers {
            parts.mesh.notify(
                kind: NotificationKind.routing.rawValue,
                payload: payload,
                to: peer.name,
                class: .durable
            )
        }
    }

    func catalogued(_ catalog: ShardCatalog) {
        self.parts?.catalogued(catalog)
    }

    // MARK: - Outbox

    /// Sends an entry to the owner of its slot, which may be this router.
    func apply(_ entry: ApplyOutbox, to slot: Slot, completion: @escaping @Sendable (Bool) -> Void) {
        guard let parts = self.parts, let route = parts.routing.route(to: slot) else { return completion(false) }
        let deadline = NIODeadline.now() + TimeAmount(parts.requestTimeout)
        if route.router == parts.routing.own.name {
            let call = Call(kind: .applyOutbox, slot: slot, deadline: deadline, payload: entry.encoded()) { status, _ in
                completion(status == .ok)
            }
            return parts.requests.dispatch(call)
        }
        parts.mesh.request(
            kind: RequestKind.applyOutbox.rawValue,
            slot: slot.number,
            epoch: route.epoch,
            payload: entry.encoded(),
            to: route.router,
            deadline: deadline
        ) { result in
            let isApplied = (try? result.get()).map { $0.status == ResponseStatus.ok.rawValue } ?? false
            completion(isApplied)
        }
    }
}

extension RouterHub: MeshDelegate {
    package func meshLinkUp(_ peer: PeerIdentity) {
        guard let parts = self.parts else { return }
        self.changeLinks(parts, peer) { parts.links.up(peer) }
        switch peer.role {
        case .edge:
            // The audiences know of the link by now, so what is recorded after this position comes over it.
            self.notify(.deliveryProgress, parts.journal.beginning.encoded(), edge: peer.name)
            parts.teller.linked(peer.name)
            parts.presence.linkUp(EdgeLife(edge: peer.name, incarnation: peer.incarnation))
        case .router:
            parts.station.linkUp(router: peer.name)
            parts.witnesses.linkUp(RouterLife(name: peer.name, incarnation: peer.incarnation.description))
        }
        parts.mesh.notify(
            kind: NotificationKind.routing.rawValue,
            payload: parts.routing.news.encoded(),
            to: peer.name,
            class: .durable
        )
    }

    package func meshLinkDown(_ peer: PeerIdentity, reason: String) {
        guard let parts = self.parts else { return }
        self.changeLinks(parts, peer) { parts.links.down(peer) }
        switch peer.role {
        case .edge:
            parts.presence.linkDown(EdgeLife(edge: peer.name, incarnation: peer.incarnation))
            parts.station.linkDown(EdgeLife(edge: peer.name, incarnation: peer.incarnation))
        case .router:
            for dispatcher in parts.dispatchers { dispatcher.lost(router: peer.name) }
            parts.witnesses.linkDown(RouterLife(name: peer.name, incarnation: peer.incarnation.description))
            parts.shards.keepers.forEach { $0.wake() }
        }
    }

    private func changeLinks(_ parts: Parts, _ peer: PeerIdentity, _ change: () -> Void) {
        self.edgeChanges.withLock { _ in
            change()
            guard peer.role == .edge else { return }
            let edges = parts.links.edges
            for dispatcher in parts.dispatchers {
                dispatcher.linksChanged(edges)
            }
        }
    }

    package func meshRequest(_ request: InboundRequest) {
        guard let parts = self.parts else { return }
        guard let kind = RequestKind(rawValue: request.kind) else {
            return self.refuse(request, Failure(.internal, "Request kind \(request.kind) is not known to this node."))
        }
        if kind == .displaceSession {
            return self.displace(request, parts)
        }
        if kind == .operateNode {
            return self.operate(request, parts)
        }
        if kind == .syncChanges {
            return self.answerChanges(request, parts)
        }
        if kind == .relay {
            return self.passOn(request, parts)
        }
        guard let slot = Slot(request.slot) else {
            return self.refuse(request, Failure(.internal, "There is no slot \(request.slot)."))
        }
        if let known = parts.routing.route(to: slot), known.epoch < request.epoch {
            parts.shards.keeper(of: known.shard)?.wake()
        }
        parts.requests.dispatch(
            Call(kind: kind, slot: slot, deadline: request.deadline, payload: request.payload) { status, payload in
                if kind == .setPresence { parts.presence.answered(request.payload, status, payload) }
                request.reply(status: status.rawValue, payload: payload)
            }
        )
    }

    private func refuse(_ request: InboundRequest, _ failure: Failure) {
        request.reply(status: ResponseStatus.failed.rawValue, payload: FailureBody(failure).encoded())
    }

    /// At once, from memory: an announcement that came before over the same link was handed on before.
    private func answerChanges(_ request: InboundRequest, _ parts: Parts) {
        do throws(FieldError) {
            let question = try SyncChanges(decoding: request.payload)
            let answer = parts.journal.answer(question, table: parts.routing.snapshot)
            request.reply(status: ResponseStatus.ok.rawValue, payload: answer.encoded())
        } catch {
            self.refuse(request, Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    private func passOn(_ request: InboundRequest, _ parts: Parts) {
        do throws(FieldError) {
            let relay = try Relay(decoding: request.payload)
            guard request.peer.role == .router, let answer = parts.station.passOn(relay, of: request.peer) else {
                return self.refuse(request, Failure(.unavailable, "This router passes nothing on."))
            }
            request.reply(status: ResponseStatus.ok.rawValue, payload: answer.encoded())
        } catch {
            self.refuse(request, Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    private func operate(_ request: InboundRequest, _ parts: Parts) {
        do throws(FieldError) {
            switch parts.operate(try OperateNode(decoding: request.payload)) {
            case .success(let report):
                request.reply(status: ResponseStatus.ok.rawValue, payload: report.encoded())
            case .failure(let failure):
                self.refuse(request, failure)
            }
        } catch {
            self.refuse(request, Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    /// Passes the news that a device has a newer session on to the edge that has the older one.
    private func displace(_ request: InboundRequest, _ parts: Parts) {
        do throws(FieldError) {
            let body = try DisplaceSession(decoding: request.payload)
            parts.mesh.notify(
                kind: NotificationKind.sessionDisplaced.rawValue,
                payload: request.payload,
                to: body.edge,
                class: .durable
            )
            request.reply(status: ResponseStatus.ok.rawValue, payload: ByteBuffer())
        } catch {
            self.refuse(request, Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    package func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity) {
        guard let parts = self.parts, let kind = NotificationKind(rawValue: kind) else { return }
        do throws(FieldError) {
            switch kind {
            case .attachment:
                self.attachmentChanged(peer, try Attachment(decoding: payload), parts)
            case .sessionUnknown:
                let body = try SessionUnknown(decoding: payload)
                for dispatcher in parts.dispatchers {
                    dispatcher.forget(body)
                }
            case .routing:
                guard parts.routing.isOutdated(by: try RoutingNews(decoding: payload)) else { return }
                parts.shards.keepers.forEach { $0.wake() }
            case .presenceReport, .presenceDigest, .presenceStatesWanted:
                try parts.presence.received(kind, payload, from: peer)
            case .typing:
                guard peer.role == .edge else { return }
                parts.typing.received(try Typing(decoding: payload))
            case .relayReach:
                guard peer.role == .router else { return }
                let reach = try RelayReach(decoding: payload)
                for dispatcher in parts.dispatchers { dispatcher.reaches(peer.name, reach) }
            case .deliver, .relayed, .conversationEvent, .receipts, .audience, .sessionDisplaced, .deliveryProgress,
                .presenceStates, .presenceWanted, .typingTold:
                break
            }
        } catch {
            self.logger.warning(
                "a notification could not be read",
                metadata: ["peer": "\(peer)", "kind": "\(kind)", "reason": "\(error)"]
            )
        }
    }

    private func attachmentChanged(_ peer: PeerIdentity, _ attachment: Attachment, _ parts: Parts) {
        guard peer.role == .edge else { return }
        for dispatcher in parts.dispatchers {
            dispatcher.attachmentChanged(edge: peer.name, attachment)
        }
        let edge = EdgeLife(edge: peer.name, incarnation: peer.incarnation)
        parts.station.announced(edge, takesRelayed: attachment.takesRelayed)
    }

    package func meshReadComplete(from peer: PeerIdentity) {}
}

extension RouterHub: WriterEffects {
    package func deliver(_ parcels: [Parcel]) {
        guard let parts = self.parts else { return }
        // Before any of them can be sent: see ``ChangeJournal``.
        let parcels = parts.journal.record(parcels)
        guard parts.dispatchers.count > 1 else {
            parts.dispatchers.first?.deliver(parcels)
            return
        }
        for (index, dispatcher) in parts.dispatchers.enumerated() {
            dispatcher.deliver(
                parcels.filter { Int(Slot(of: $0.conversation.value).number) % parts.dispatchers.count == index }
            )
        }
    }

    package func outboxGrew(shard: String, entries: [Int64], completion: @escaping @Sendable () -> Void) {
        guard let keeper = self.parts?.shards.keeper(of: shard) else { return completion() }
        keeper.outboxGrew(entries, completion: completion)
    }

    package func changesMayBeUntold() {
        guard let parts = self.parts else { return }
        parts.journal.untold(to: parts.links.edges.map(\.edge))
    }

    package func viewRefused(shard: String) {
        self.parts?.shards.keeper(of: shard)?.wake()
    }
}

extension RouterHub: AudienceTransport {
    package func lookUp(_ users: [UserID], completion: @escaping @Sendable (Audience.Answer) -> Void) {
        guard let parts = self.parts else { return completion(.failed) }
        let edges = parts.links.edges.map(\.edge)
        parts.registry.locations(of: users, completenessOf: edges) { result in
            switch result {
            case .success(let snapshot):
                let locations = snapshot.sessions.mapValues { $0.map(\.location.life) }
                completion(.found(locations, complete: snapshot.completeEdges, registry: snapshot.serverRunID))
            case .failure:
                completion(.failed)
            }
        }
    }

    package func settle(_ departure: Departure, completion: @escaping @Sendable () -> Void) {
        guard let parts = self.parts else { return completion() }
        // As many as a question to an edge has room for; for the parts of a large group one after the other.
        guard let (part, rest) = departure.split(atMost: Limits.usersPerFrameMax) else {
            return parts.settler.settle(departure, completion: completion)
        }
        parts.settler.settle(part) { self.settle(rest, completion: completion) }
    }

    @discardableResult
    package func notify(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) -> Bool {
        guard let parts = self.parts else { return false }
        let outcome = parts.mesh.notify(kind: kind.rawValue, payload: payload, to: edge, class: .durable)
        guard !outcome.isQueued else { return true }
        parts.links.countUnsent()
        parts.journal.missed(by: edge)
        return false
    }

    package func finished(_ positions: [UInt64]) {
        self.parts?.journal.finished(positions)
    }

    package func relay(
        _ relay: Relay,
        through router: String,
        completion: @escaping @Sendable (RelayOutcome) -> Void
    ) {
        guard let parts = self.parts else { return completion(.refused) }
        parts.mesh.request(
            kind: RequestKind.relay.rawValue,
            slot: 0,
            epoch: 0,
            payload: relay.encoded(),
            to: router,
            deadline: .now() + TimeAmount(parts.requestTimeout)
        ) { completion(RelayOutcome($0)) }
    }

    package func relayed(to edges: Set<String>, through reached: RelayedThrough) {
        self.parts?.journal.relayed(to: edges, through: reached)
    }

    package func missed(by edge: String) {
        self.parts?.links.countUnsent()
        self.parts?.journal.missed(by: edge)
    }

    package func notifyEphemeral(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) {
        self.parts?.mesh.notify(kind: kind.rawValue, payload: payload, to: edge, class: .ephemeral)
    }
}
