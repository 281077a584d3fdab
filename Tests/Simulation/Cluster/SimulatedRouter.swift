// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import NIOCore
import Placement
import Router
import Storage
import Wire

/// A router whose decisions are the product's (``Writer``, ``Audience``, ``ChangeJournal``, ``ViewSeat``,
/// ``ConversationOperations``) and whose threads, links and connections are simulated.
package final class SimulatedRouter: SimulatedNode {
    /// The product's defaults.
    private static let keeperInterval = UInt64.milliseconds(250)
    private static let leaseInterval = UInt64.milliseconds(500)
    private static let progressInterval = UInt64.milliseconds(500)
    private static let policy = ViewPolicy(
        suspectAfter: .milliseconds(500),
        staleLeaseAfter: .milliseconds(750),
        suspectWithoutLeaseAfter: .seconds(2)
    )

    private unowned let cluster: SimulatedCluster
    private(set) var incarnation: Incarnation
    private(set) var routing: Router.RoutingState
    private var witnesses: WitnessBoard
    /// By name, the lives of the routers with a link.
    private var linkedRouters: [String: RouterLife] = [:]
    private var audience = Audience()
    private var journal: ChangeJournal
    private var told = ToldProgress()
    private var seats: [String: ViewSeat] = [:]
    private var keeperConnections: [String: ShardConnection] = [:]
    private var writers: [String: SimulatedWriter] = [:]
    private var edges: [String: EdgeLife] = [:]
    private var intent = ViewPolicy.Intent.member
    /// Deliveries that no link took.
    private(set) var unsent = 0

    init(name: String, cluster: SimulatedCluster) {
        self.cluster = cluster
        self.incarnation = cluster.world.identifier()
        self.routing = Router.RoutingState(own: RouterLife(name: name, incarnation: "")) { _ in }
        self.witnesses = WitnessBoard(now: cluster.world.instant)
        self.journal = ChangeJournal(own: RouterLife(name: name, incarnation: ""), life: self.incarnation)
        super.init(name: name, world: cluster.world)
        self.begin()
    }

    var own: RouterLife { self.routing.own }

    private struct Weak {
        weak var router: SimulatedRouter?
    }

    override func crashed() {
        for link in self.cluster.links(of: self) { link.forget(self) }
    }

    override func started() {
        self.begin()
    }

    private func begin() {
        self.incarnation = self.world.identifier()
        let life = self.life
        let own = Confined(Weak(router: self))
        let router = RouterLife(name: self.name, incarnation: self.incarnation.description)
        var bounds = ChangeLog.Bounds()
        // Often so few that something is forgotten.
        if self.world.chance(0.2) { bounds.conversationsMax = Int(self.world.duration(1...3)) }
        self.journal = ChangeJournal(own: router, life: self.incarnation, bounds: bounds)
        self.told = ToldProgress()
        self.routing = Router.RoutingState(own: router) { news in
            guard let router = own.value.router, router.life == life else { return }
            router.journal.routingChanged(router.routing.snapshot)
            router.tellAll(news)
        }
        self.routing.adopt(self.cluster.map)
        self.witnesses = WitnessBoard(now: self.world.instant)
        self.linkedRouters = [:]
        self.audience = Audience(numberedFrom: self.numberedFrom)
        self.edges = [:]
        self.intent = .member
        for (name, shard) in self.cluster.shards.sorted(by: { $0.key < $1.key }) {
            let state = self.cluster.state(of: name)
            self.seats[name] = ViewSeat(
                policy: Self.policy,
                own: self.own,
                rejoinWaitMin: .seconds(1),
                rejoinWaitMax: .seconds(30)
            )
            self.keeperConnections[name] = ShardConnection(world: self.world, node: self, shard: shard, state: state)
            self.writers[name] = SimulatedWriter(
                router: self,
                connection: ShardConnection(world: self.world, node: self, shard: shard, state: state)
            )
            self.keep(name)
        }
        self.renewLease()
        self.tellProgress()
    }

    // MARK: - Views and leases

    private func renewLease() {
        let own = self.own
        self.cluster.registry.call(from: self) { registry in
            registry.renewLease(own)
            return registry.leaseAges
        } completion: { [weak self] ages in
            self?.witnesses.leasesRead(ages)
        }
        self.later(Self.leaseInterval) { [weak self] in self?.renewLease() }
    }

    private func keep(_ shard: String) {
        self.readView(shard)
        self.later(Self.keeperInterval) { [weak self] in self?.keep(shard) }
    }

    func readView(_ shard: String) {
        self.keeperConnections[shard]?.call(writes: false) { (shard) throws(StorageError) in
            try shard.readView()
        } completion: { [weak self] result in
            guard case .success(let view) = result else { return }
            self?.viewRead(view)
        }
    }

    private func viewRead(_ view: View) {
        self.routing.adopt(view)
        let decision = self.seats[view.shard]?.viewRead(
            view,
            intent: self.intent,
            witnesses: self.witnesses.witnesses(
                of: view.members.filter { $0.name != self.name },
                now: self.world.instant
            ),
            now: self.world.instant,
            random: Double.random(in: 0...1, using: &self.world.random)
        )
        guard let proposal = decision?.proposal else { return }
        self.keeperConnections[view.shard]?.call(writes: true) { (shard) throws(StorageError) in
            shard.proposeView(replacing: view.epoch, members: proposal)
        } completion: { [weak self] result in
            if case .success(.some(let proposed)) = result { self?.routing.adopt(proposed) }
            self?.readView(view.shard)
        }
    }

    private func tellAll(_ news: RoutingNews) {
        for link in self.cluster.links(of: self) { self.tell(news, over: link) }
    }

    private func tell(_ news: RoutingNews, over link: SimulatedLink) {
        let peer = link.nodes.0 === self ? link.nodes.1 : link.nodes.0
        link.send(from: self) { peer.routingReceived(news) }
    }

    /// As an operator's stop: hands the slots over, then ends; starts again later if asked to.
    func leave() {
        self.world.note("\(self.name) leaves")
        self.intent = .leaving
        for shard in self.seats.keys.sorted() { self.readView(shard) }
    }

    var hasLeft: Bool {
        self.routing.snapshot.views.values.allSatisfy {
            $0.member(named: self.name) != self.own || $0.members.count == 1
        }
    }

    /// The last word before an end in order: every edge got everything. Says nothing when something may still come.
    func endDeliveries() {
        guard self.isAlive, !self.isFrozen, self.hasLeft, self.writers.values.allSatisfy(\.isIdle) else { return }
        for name in self.edges.keys.sorted() {
            guard let edge = self.cluster.edge(name), let ending = self.journal.ending(for: name) else { continue }
            self.world.note("\(self.name) has nothing more for \(name)")
            self.tell(ending, edge)
        }
    }

    // MARK: - Links

    func linkUp(_ peer: SimulatedNode, _ link: SimulatedLink) {
        if let edge = peer as? SimulatedEdge {
            self.edges[edge.name] = edge.edgeLife
            self.audience.linksChanged(Set(self.edges.values))
            self.tell(self.journal.beginning, edge)
            self.told.linked(edge.name)
        } else if let router = peer as? SimulatedRouter {
            self.linkedRouters[router.name] = router.own
            self.witnesses.linkUp(router.own, now: self.world.instant)
        }
        self.tell(self.routing.news, over: link)
    }

    func linkDown(_ peer: SimulatedNode) {
        if peer is SimulatedEdge {
            self.edges[peer.name] = nil
            self.audience.linksChanged(Set(self.edges.values))
        } else if let life = self.linkedRouters.removeValue(forKey: peer.name) {
            self.witnesses.linkDown(life, now: self.world.instant)
            for shard in self.seats.keys.sorted() { self.readView(shard) }
        }
    }

    override func routingReceived(_ news: RoutingNews) {
        guard self.routing.isOutdated(by: news) else { return }
        for shard in self.seats.keys.sorted() { self.readView(shard) }
    }

    // MARK: - From the edges

    func requestReceived(_ call: Call) {
        guard call.kind != .syncChanges else { return self.answerChanges(call) }
        guard let shard = self.routing.ownShard(of: call.slot), let writer = self.writers[shard] else {
            return call.moved(self.routing.news(about: call.slot))
        }
        do throws(FieldError) {
            switch call.kind {
            case .submit: writer.take(.submit(call, try Submit(decoding: call.payload)))
            case .readMessages: self.read(try ReadMessages(decoding: call.payload), call, shard)
            case .compareHeads: self.compare(try CompareHeads(decoding: call.payload), call, shard)
            case .readReceipts: self.read(try ReadReceipts(decoding: call.payload), call, shard)
            case .storeReceipts: writer.take(.receipts(call, try StoreReceipts(decoding: call.payload)))
            default: writer.take(.operation(try ConversationOperations.operation(call)))
            }
        } catch {
            call.fail(Failure(.internal, "\(error)"))
        }
    }

    /// As the product's readers: members only, and nothing from before the member joined.
    private func read(_ request: ReadMessages, _ call: Call, _ shard: String) {
        guard case .after(let after) = request.position else { return call.fail(.noSuchConversation) }
        self.keeperConnections[shard]?.call(writes: false) { (shard) throws(StorageError) -> MessagePage? in
            guard let state = try shard.loadConversations([request.conversation])[request.conversation],
                let member = state.members.first(where: { $0.user == request.reader })
            else { return nil }
            let messages = try shard.readMessages(
                request.conversation,
                after: after,
                before: nil,
                limit: Int(request.limit),
                notBefore: member.joinedSeq
            )
            let head = state.conversation.headSeq
            return MessagePage(messages: messages, headSeq: head, hasMore: messages.last.map { $0.seq < head } ?? false)
        } completion: { result in
            switch result {
            case .success(.some(let page)): call.answer(page)
            case .success(nil): call.fail(.noSuchConversation)
            case .failure: call.fail(Failure(.unavailable, "away", retryAfterMilliseconds: 100))
            }
        }
    }

    private func compare(_ request: CompareHeads, _ call: Call, _ shard: String) {
        self.read(call, shard) { $0.changedHeads(request) }
    }

    private func read(_ request: ReadReceipts, _ call: Call, _ shard: String) {
        self.read(call, shard) { $0.receipts(request) }
    }

    private func read(_ call: Call, _ shard: String, _ body: @escaping (SimulatedShard) -> some WireMessage) {
        self.keeperConnections[shard]?.call(writes: false) { (shard) throws(StorageError) in
            body(shard)
        } completion: { result in
            switch result {
            case .success(let answer): call.answer(answer)
            case .failure: call.fail(Failure(.unavailable, "away", retryAfterMilliseconds: 100))
            }
        }
    }

    /// At once, from memory.
    private func answerChanges(_ call: Call) {
        guard let question = try? SyncChanges(decoding: call.payload) else { return }
        var answer = self.journal.answer(question, table: self.routing.snapshot)
        if self.world.defect == .forgetChange, !answer.changed.isEmpty, self.world.chance(0.1) {
            self.world.note("DEFECT: a change is forgotten")
            answer.changed.removeLast()
        }
        call.answer(answer)
    }

    /// Groups are small here: in two runs of three their recipients are numbered all the same.
    private var numberedFrom: Int {
        self.world.seed.isMultiple(of: 3) ? Audience.numberedFrom : 1
    }

    func attachmentReceived(_ attachment: Attachment, from edge: String) {
        self.audience.registrationChanged(
            edge: edge,
            isRegistered: attachment.isRegistered,
            takesAudiences: attachment.takesAudiences,
            registry: attachment.registry
        )
        self.carryOut(
            self.audience.attachmentChanged(edge: edge, attached: attachment.attached, detached: attachment.detached)
        )
    }

    func sessionUnknownReceived(_ unknown: SessionUnknown) {
        self.audience.forget(unknown.users)
        self.audience.forget(conversations: unknown.conversations)
    }

    // MARK: - To the edges

    func changesMayBeUntold() {
        self.journal.untold(to: self.edges.keys.sorted())
    }

    /// As the dispatcher's event loop takes them up: a moment later, in order.
    func deliver(_ parcels: [Parcel]) {
        let parcels = self.journal.record(parcels)
        self.later(.microseconds(10)) { [weak self] in
            guard let self else { return }
            for parcel in parcels {
                self.carryOut(self.audience.deliver(parcel, now: self.world.wallClock))
            }
        }
    }

    private func carryOut(_ actions: [Audience.Action]) {
        for action in actions {
            switch action {
            case .lookUp(let conversation, let token, let users):
                self.cluster.registry.call(from: self) {
                    $0.answer(about: users)
                } completion: { [weak self] answer in
                    guard let self else { return }
                    self.carryOut(
                        self.audience.lookedUp(
                            conversation,
                            token: token,
                            answer: answer ?? .failed,
                            now: self.world.wallClock
                        )
                    )
                }
            case .send(let edge, let parcel, let recipients, let number, let isBroadcast):
                self.send(parcel, to: edge, recipients: recipients, number: number, isBroadcast: isBroadcast)
            case .tell(let edge, let update):
                self.tell(update, to: edge)
            case .sendThrough, .tellThrough:
                preconditionFailure("a simulated cluster has too few edges for that anything is passed on")
            case .settle(_, let completion):
                completion()
            case .finished(let position):
                self.journal.finished([position])
            }
        }
    }

    private func tell(_ update: AudienceUpdate, to edgeName: String) {
        guard let edge = self.cluster.edge(edgeName), let link = self.cluster.link(self, edge) else { return }
        if self.world.defect == .loseAudienceNews, update.kind != .all, self.world.chance(0.2) {
            return self.world.note("DEFECT: \(edgeName) is not told of a change in an audience")
        }
        guard link.isFull || !link.send(from: self, { edge.audienceReceived(update, from: self) }) else { return }
        self.missed(by: edgeName)
        self.audience.forget(conversations: [update.conversation])
    }

    private func missed(by edge: String) {
        self.unsent += 1
        self.journal.missed(by: edge)
    }

    private func send(
        _ parcel: Parcel,
        to edgeName: String,
        recipients: [UserID],
        number: UInt64,
        isBroadcast: Bool
    ) {
        guard let edge = self.cluster.edge(edgeName), let link = self.cluster.link(self, edge) else { return }
        var recipients = recipients
        if self.world.defect == .deliverAfterRemoval {
            recipients += self.cluster.removedUsers(of: parcel.conversation)
        }
        if self.world.defect == .dropOneInTenThousand, self.world.chance(1 / 10_000) {
            self.world.note("DEFECT: a delivery is dropped")
            return
        }
        let isSent: Bool
        switch parcel.content {
        case .message(let message):
            let deliver = Deliver(
                message: message,
                recipients: number > 0 ? [] : recipients,
                isBroadcast: isBroadcast,
                audience: number
            )
            isSent = !link.isFull && link.send(from: self) { edge.deliverReceived(deliver, from: self) }
        case .event(var event):
            event.recipients = recipients
            isSent = !link.isFull && link.send(from: self) { [event] in edge.eventReceived(event) }
        case .receipts(let entries, let isPrivate):
            let event = ReceiptsEvent(
                conversation: parcel.conversation,
                entries: entries,
                recipients: recipients,
                isPrivate: isPrivate
            )
            if self.world.defect == .dropReceipts, self.world.chance(0.02) {
                self.world.note("DEFECT: receipts are dropped")
                return
            }
            isSent = !link.isFull && link.send(from: self) { edge.receiptsReceived(event) }
        case .typing, .settlement:
            // Not simulated, and sent to nobody.
            return
        }
        if !isSent { self.missed(by: edgeName) }
    }

    // MARK: - How far the edges have come

    private func tellProgress() {
        self.told.keep(Set(self.edges.keys))
        for name in self.edges.keys.sorted() {
            guard let edge = self.cluster.edge(name) else { continue }
            let progress = self.journal.takeProgress(of: name)
            guard self.told.isNews(progress, to: name) else { continue }
            guard self.tell(progress, edge) else {
                if progress.kind == .gap { self.journal.missed(by: name) }
                continue
            }
            self.told.was(progress, to: name)
        }
        self.later(Self.progressInterval) { [weak self] in self?.tellProgress() }
    }

    @discardableResult
    private func tell(_ progress: DeliveryProgress, _ edge: SimulatedEdge) -> Bool {
        guard let link = self.cluster.link(self, edge), !link.isFull || progress.kind == .begins else { return false }
        let life = self.incarnation
        return link.send(from: self) { edge.progressReceived(progress, from: self.name, life) }
    }
}
