// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Directory
import Edge
import Mesh
import Messaging
import NIOCore
import Placement
import Router
import Wire

/// An edge whose decisions are the product's (``SubmitPipeline``, ``SessionIndex``, ``EdgeRegistration``,
/// ``RouterPositions``, ``SyncMachine``, ``AttemptOutcome``) and whose sockets and links are simulated.
package final class SimulatedEdge: SimulatedNode {
    static let submitTimeout = TimeAmount.seconds(15)
    private static let requestTimeout = TimeAmount.seconds(5)
    private static let tickInterval = UInt64.seconds(1)

    private struct Pending {
        var router: SimulatedRouter
        var complete: (AttemptOutcome) -> Void
    }

    unowned let cluster: SimulatedCluster
    private(set) var edgeLife: EdgeLife
    private var routing = Edge.RoutingState()
    private(set) var index = SessionIndex()
    var audiences = NumberedAudiences()
    private var registration = EdgeRegistration()
    private(set) var positions = RouterPositions()
    /// The routers with a link, and the lives that it is to.
    private(set) var linkedLives: [String: Incarnation] = [:]
    let syncBounds: SyncMachine.Bounds
    var receipts = ReceiptMerger()
    var awaitedReceipts: [UInt64: AwaitedReceipt] = [:]
    private var sessions: [SessionID: SimulatedSession] = [:]
    private var pending: [UInt64: Pending] = [:]

    init(name: String, cluster: SimulatedCluster) {
        self.cluster = cluster
        self.edgeLife = EdgeLife(edge: name, incarnation: cluster.world.identifier())
        let world = cluster.world
        // Often so narrow that gaps are too far, and that what is held must be read again.
        self.syncBounds = SyncMachine.Bounds(
            messagesPerConversationMax: world.chance(0.2) ? Int(world.duration(2...40)) : 1000,
            messagesMax: 10_000,
            heldBytesMax: world.chance(0.5) ? Int(world.duration(0...2000)) : 1 << 20
        )
        super.init(name: name, world: cluster.world)
        self.tick()
    }

    override func crashed() {
        for session in self.sessions.values.sorted(by: { $0.id < $1.id }) {
            session.link.breakDown("\(self.name) crashed")
        }
        for link in self.cluster.links(of: self) { link.forget(self) }
        self.sessions = [:]
        self.pending = [:]
        self.linkedLives = [:]
        self.receipts = ReceiptMerger()
        self.awaitedReceipts = [:]
    }

    override func started() {
        self.edgeLife = EdgeLife(edge: self.name, incarnation: self.world.identifier())
        self.routing = Edge.RoutingState()
        self.index = SessionIndex()
        self.audiences = NumberedAudiences()
        self.registration = EdgeRegistration()
        self.positions = RouterPositions()
        self.tick()
    }

    // MARK: - The registry

    private func tick() {
        switch self.registration.tick(now: self.world.instant, life: self.registryLife) {
        case .none:
            break
        case .renewMarker:
            let life = self.edgeLife
            self.cluster.registry.call(from: self) {
                $0.renewComplete(life)
            } completion: { [weak self] stands in
                guard let stands else { return }
                self?.registration.markerRenewed(stands: stands)
                self?.announce()
            }
        case .refill:
            self.refill()
        }
        self.settle()
        self.later(Self.tickInterval) { [weak self] in self?.tick() }
    }

    private func refill() {
        let life = self.edgeLife
        let registrations = self.index.registrations(life).sorted { $0.location.session < $1.location.session }
        self.cluster.registry.call(from: self) { registry in
            (run: registry.run, newer: registry.registerAll(registrations))
        } completion: { [weak self] result in
            guard let self else { return }
            guard let result else { return self.refillEnded(succeeded: false) }
            self.cluster.registry.call(from: self) {
                $0.setComplete(life, run: result.run)
            } completion: {
                [weak self] done in
                guard let self else { return }
                self.refillEnded(succeeded: done != nil)
                self.announce()
                for entry in result.newer where entry.location.life != life {
                    guard let current = self.index.current(entry.user, entry.device),
                        registrations.contains(where: { $0.location.session == current.session }),
                        let session = self.sessions[current.session]
                    else { continue }
                    self.close(session, .replaced)
                }
            }
        }
    }

    private var registryLife: RegistryLife { self.cluster.registry.life(for: self) }

    private func refillEnded(succeeded: Bool) {
        self.carryOut(self.registration.refillEnded(succeeded: succeeded, life: self.registryLife))
    }

    private func carryOut(_ action: EdgeRegistration.FailureAction) {
        guard action == .clearMarker else { return }
        let life = self.edgeLife
        self.cluster.registry.call(from: self) {
            $0.clearComplete(life)
        } completion: { _ in
        }
    }

    // MARK: - Sessions

    /// A device connects: in the order of the product's opener. First the registry, then the announcement, then the answer.
    func authenticate(_ device: SimulatedDevice, link: SimulatedLink) {
        let session = SimulatedSession(id: self.world.identifier(), device: device, link: link)
        self.sessions[session.id] = session
        if let replaced = self.index.reserve(device.user, device.id, session.id, loop: 0) {
            if let older = self.sessions[replaced.session] { self.close(older, .replaced) }
        }
        self.register(session) { [weak self] replaced in
            guard let self, !session.isClosed else { return }
            guard self.index.current(device.user, device.id)?.session == session.id else {
                return self.close(session, .replaced)
            }
            if let replaced, replaced.edge != self.name {
                self.displace(replaced, device)
            }
            if self.world.defect != .loseAttachAnnouncement || !self.world.chance(0.1) {
                self.announce(attached: [device.user])
            }
            session.isOpen = true
            link.send(from: self) { device.opened(link) }
        }
    }

    private func register(_ session: SimulatedSession, completion: @escaping (SessionLocation?) -> Void) {
        let location = SessionLocation(
            edge: self.name,
            incarnation: self.edgeLife.incarnation,
            session: session.id
        )
        let (user, device) = (session.device.user, session.device.id)
        self.cluster.registry.call(from: self) { registry in
            registry.register(user, device, location)
        } completion: { [weak self] registration in
            guard let self else { return }
            switch registration {
            case .registered(let replaced):
                self.registration.registered(in: self.registryLife)
                completion(replaced)
            case .outdated:
                let isCurrent = self.index.current(user, device)?.session == session.id
                self.close(session, isCurrent ? .overloaded : .replaced)
            case nil:
                self.carryOut(self.registration.registrationFailed())
                completion(nil)
            }
        }
    }

    private func displace(_ location: SessionLocation, _ device: SimulatedDevice) {
        let routers = self.cluster.routers.filter { self.cluster.link(self, $0)?.isKnownUp(at: self) ?? false }
        guard let router = routers.first, let link = self.cluster.link(self, router),
            let other = self.cluster.edge(location.edge)
        else { return }
        link.send(from: self) { [cluster = self.cluster] in
            cluster.link(router, other)?.send(from: router) { other.displaced(location) }
        }
    }

    private func displaced(_ location: SessionLocation) {
        guard location.life == self.edgeLife, let session = self.sessions[location.session] else { return }
        self.close(session, .replaced)
    }

    private func announce(attached: [UserID] = [], detached: [UserID] = []) {
        let attachment = Attachment(
            attached: attached,
            detached: detached,
            isRegistered: self.registration.completeIn != nil,
            registry: self.registration.completeIn?.serverRunID ?? ""
        )
        for router in self.cluster.routers {
            self.cluster.link(self, router)?.send(from: self) { router.attachmentReceived(attachment, from: self.name) }
        }
    }

    private func close(_ session: SimulatedSession, _ code: CloseCode) {
        guard !session.isClosed else { return }
        session.link.send(from: self) { session.device.closed(code, session.link) }
        self.ended(session)
    }

    /// The connection is gone.
    func disconnected(_ link: SimulatedLink) {
        guard let session = self.session(on: link) else { return }
        self.ended(session)
    }

    private func ended(_ session: SimulatedSession) {
        guard !session.isClosed else { return }
        session.isClosed = true
        session.isOpen = false
        self.sessions[session.id] = nil
        let (user, device) = (session.device.user, session.device.id)
        switch self.index.release(user, device, session.id) {
        case .superseded: return
        case .released: break
        case .releasedLast: self.announce(detached: [user])
        }
        let location = SessionLocation(edge: self.name, incarnation: self.edgeLife.incarnation, session: session.id)
        self.cluster.registry.call(from: self) {
            $0.unregister(user, device, location)
        } completion: { _ in
        }
    }

    func session(on link: SimulatedLink) -> SimulatedSession? {
        self.sessions.values.first { $0.link === link }
    }

    /// In an order that does not depend on hashes.
    var openSessions: [SimulatedSession] {
        self.sessions.values.filter(\.isOpen).sorted { $0.id < $1.id }
    }

    // MARK: - Submits

    func submitReceived(_ request: SendMessageRequest, _ command: UInt64, _ link: SimulatedLink) {
        guard let session = self.session(on: link), session.isOpen else { return }
        let submit = Submit(
            conversation: request.conversationID,
            sender: session.device.user,
            senderDevice: session.device.id,
            clientMessageID: request.clientMessageID,
            kind: request.kind,
            body: request.body
        )
        var submits = session.submits ?? SubmitPipeline()
        let ticket = submits.add(
            SubmitPipeline.Message(
                id: .number(command),
                conversation: submit.conversation,
                clientMessageID: submit.clientMessageID,
                slot: Slot(of: submit.conversation.value),
                payload: submit.encoded(),
                receivedAt: self.world.deadlineNow,
                deadline: self.world.deadlineNow + Self.submitTimeout
            )
        )
        session.submits = submits
        if let ticket { self.attempt(ticket, session) }
    }

    private func attempt(_ ticket: SubmitPipeline.Ticket, _ session: SimulatedSession) {
        guard let message = session.submits?[ticket], let payload = session.submits?.payload(of: ticket) else { return }
        self.request(.submit, message.slot, payload, message.deadline) { [weak self] outcome in
            self?.attemptEnded(ticket, outcome, session)
        }
    }

    private func attemptEnded(_ ticket: SubmitPipeline.Ticket, _ outcome: AttemptOutcome, _ session: SimulatedSession) {
        guard !session.isClosed, var submits = session.submits else { return }
        let result = submits.attemptEnded(ticket, outcome, using: &self.world.random)
        session.submits = submits
        if let (message, end) = result.finished { self.finish(message, end, session) }
        if let (conversation, milliseconds) = result.pause {
            self.later(.milliseconds(UInt64(milliseconds))) { [weak self] in self?.resume(conversation, session) }
        }
    }

    private func resume(_ conversation: ConversationID, _ session: SimulatedSession) {
        guard !session.isClosed, var submits = session.submits else { return }
        let resumption = submits.resume(conversation, now: self.world.deadlineNow)
        session.submits = submits
        for (message, failure) in resumption.expired { self.finish(message, .failed(failure), session) }
        for ticket in resumption.send { self.attempt(ticket, session) }
    }

    private func finish(_ message: SubmitPipeline.Message, _ end: SubmitPipeline.End, _ session: SimulatedSession) {
        guard case .number(let command) = message.id else { return }
        let device = session.device
        switch end {
        case .accepted(let accepted):
            let sent = MessageSent(
                conversationID: message.conversation,
                clientMessageID: message.clientMessageID,
                seq: accepted.seq,
                createdAt: Timestamp(accepted.createdAt),
                isDuplicate: accepted.duplicate
            )
            session.link.send(from: self) { device.answered(command, sent) }
        case .failed(let failure):
            session.link.send(from: self) { device.refused(command, failure) }
        }
    }

    // MARK: - Requests

    /// One attempt, as the product's ``RouterClient``.
    func request(
        _ kind: RequestKind,
        _ slot: Slot,
        _ payload: ByteBuffer,
        _ deadline: NIODeadline,
        _ complete: @escaping (AttemptOutcome) -> Void
    ) {
        guard let route = self.routing.route(to: slot) else {
            return self.later(0) { complete(.retry(mayHaveArrived: false)) }
        }
        self.request(kind, slot, to: route.router, payload, deadline, complete)
    }

    /// One attempt with one router.
    func request(
        _ kind: RequestKind,
        _ slot: Slot = Slot(of: 0),
        to name: String,
        _ payload: ByteBuffer,
        _ deadline: NIODeadline,
        _ complete: @escaping (AttemptOutcome) -> Void
    ) {
        guard let router = self.cluster.router(name), let link = self.cluster.link(self, router),
            deadline > self.world.deadlineNow
        else { return self.later(0) { complete(.retry(mayHaveArrived: false)) } }
        let id = self.world.nextNumber()
        let answer = { [weak self] (status: ResponseStatus, payload: ByteBuffer, news: RoutingNews?) in
            guard let self, let pending = self.pending.removeValue(forKey: id) else { return }
            if let news {
                self.routingReceived(news)
                pending.complete(.retry(mayHaveArrived: false))
            } else {
                let response = MeshResponse(status: status.rawValue, payload: payload)
                pending.complete(AttemptOutcome(.success(response)) { _ in })
            }
        }
        let way = Confined((router: router, link: link, answer: answer))
        let call = Call(kind: kind, slot: slot, deadline: deadline, payload: payload) { status, payload in
            let (router, link, answer) = way.value
            // The map is large: what it says is taken as a value instead of being written and read.
            let news = status == .moved ? router.routing.news : nil
            link.send(from: router) { answer(status, payload, news) }
        }
        self.pending[id] = Pending(router: router, complete: complete)
        guard link.send(from: self, { router.requestReceived(call) }) else {
            self.pending[id] = nil
            return self.later(0) { complete(.retry(mayHaveArrived: false)) }
        }
        self.later(UInt64(max(0, (deadline - self.world.deadlineNow).nanoseconds))) { [weak self] in
            self?.pending.removeValue(forKey: id)?.complete(.expired(mayHaveArrived: true))
        }
    }

    /// A request with repetitions, as behind REST.
    func ask(
        _ kind: RequestKind,
        _ slot: Slot,
        _ body: some WireMessage,
        completion: @escaping (Result<ByteBuffer, Failure>) -> Void
    ) {
        var schedule = RetrySchedule()
        let payload = body.encoded()
        let deadline = self.world.deadlineNow + Self.requestTimeout
        var attempt: (() -> Void)?
        attempt = { [weak self] in
            guard let self else { return }
            self.request(kind, slot, payload, deadline) { [weak self] outcome in
                guard let self else { return }
                switch outcome {
                case .answered(let payload): completion(.success(payload))
                case .failed(let failure): completion(.failure(failure))
                case .expired(let arrived): completion(.failure(.outOfTime(mayHaveArrived: arrived)))
                case .retry:
                    let pause = schedule.next(using: &self.world.random)
                    guard self.world.deadlineNow + .milliseconds(Int64(pause)) < deadline else {
                        return completion(.failure(.outOfTime(mayHaveArrived: true)))
                    }
                    self.later(.milliseconds(UInt64(pause))) { attempt?() }
                }
            }
        }
        attempt?()
    }

    // MARK: - From the routers

    func linkUp(_ router: SimulatedRouter) {
        self.announce()
        self.linkedLives[router.name] = router.incarnation
        self.progressed { $0.linkUp(router.name, router.incarnation) }
    }

    func linkDown(_ router: SimulatedRouter) {
        let lost = self.pending.filter { $0.value.router === router }
        for (id, pending) in lost.sorted(by: { $0.key < $1.key }) {
            self.pending[id] = nil
            pending.complete(.retry(mayHaveArrived: true))
        }
        self.linkedLives[router.name] = nil
        self.audiences.forget(router.name)
        self.progressed { $0.linkDown(router.name) }
    }

    func progressReceived(_ progress: DeliveryProgress, from router: String, _ life: Incarnation) {
        self.progressed { $0.received(progress, from: router, life) }
    }

    override func routingReceived(_ news: RoutingNews) {
        guard self.routing.adopt(news) else { return }
        self.progressed { $0.ownersChanged(self.routing.owners) }
    }

    private func progressed(_ change: (inout RouterPositions) -> Void) {
        let losses = self.positions.snapshot.losses
        change(&self.positions)
        if self.positions.snapshot.losses > losses { self.somethingWasLost() }
    }
}
