// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Mesh
import Messaging
import NIOCore
import Observability
import Placement
import Storage
import Synchronization
import Threads
import Wire

/// A router: owns slots of the shards, numbers and stores their messages, and sends them to the edges.
///
/// It is put together here and does nothing itself: links and requests come in from the mesh
/// (`RouterNode+Mesh`), writers and keepers have threads of their own, audiences live on the event loops.
package final class RouterNode: Sendable {
    package struct Configuration: Sendable {
        package var name: String
        package var incarnation: Incarnation
        package var mesh: MeshSettings
        package var meshHost: String
        package var meshPort: Int
        /// The other routers of the cluster that are known beforehand; the leases tell of more.
        package var routers: [RouterBook.Entry]
        /// The shards that are known beforehand; the catalog tells of more.
        package var shards: [ShardDescriptor]
        /// Where they are as other nodes may know it: without passwords. Those that hold one are not in it.
        package var publicConnections: [String: String] = [:]
        /// Tells nodes that are started later where the shards are; called as often as leases are read.
        package var publish: @Sendable ([ShardAddresses.Entry]) async -> Void = { _ in }
        /// How a shard is spoken to.
        package var session: @Sendable (ShardDescriptor) -> ShardSession.Configuration
        package var writersPerShard: Int
        package var readersPerShard: Int
        package var writerBounds: ShardWriter.Bounds
        package var viewPolicy: ViewPolicy
        /// How long a lease lives; how long ago one was renewed is told from what is left of it.
        package var leaseTimeToLive: Duration
        /// How often the leases of the other routers are read.
        package var leaseReadInterval: Duration
        /// The same while a router is judged whose link was lost.
        package var leaseReadIntervalJudging: Duration = .milliseconds(100)
        /// How long a request from this router to another may take.
        package var requestTimeout: Duration
        /// Conversations whose last change is remembered for devices that were away.
        package var changedConversationsMax = ChangeLog.Bounds().conversationsMax
        /// Members of the largest conversation that carries typing.
        package var typingMembersMax: Int
        /// Edges from which on the messages of a conversation are passed on by other routers.
        package var relayedFromEdges = Int.max

        var life: RouterLife {
            RouterLife(name: self.name, incarnation: self.incarnation.description)
        }

        package init(
            name: String,
            incarnation: Incarnation,
            mesh: MeshSettings,
            meshHost: String,
            meshPort: Int,
            routers: [RouterBook.Entry],
            shards: [ShardDescriptor],
            session: @escaping @Sendable (ShardDescriptor) -> ShardSession.Configuration,
            writersPerShard: Int,
            readersPerShard: Int,
            writerBounds: ShardWriter.Bounds,
            viewPolicy: ViewPolicy,
            leaseTimeToLive: Duration,
            leaseReadInterval: Duration,
            requestTimeout: Duration,
            typingMembersMax: Int
        ) {
            self.name = name
            self.incarnation = incarnation
            self.mesh = mesh
            self.meshHost = meshHost
            self.meshPort = meshPort
            self.routers = routers
            self.shards = shards
            self.session = session
            self.writersPerShard = writersPerShard
            self.readersPerShard = readersPerShard
            self.writerBounds = writerBounds
            self.viewPolicy = viewPolicy
            self.leaseTimeToLive = leaseTimeToLive
            self.leaseReadInterval = leaseReadInterval
            self.requestTimeout = requestTimeout
            self.typingMembersMax = typingMembersMax
        }
    }

    let configuration: Configuration
    let registry: SessionRegistry
    let leases: NodeLeases
    let logger: Logger
    let routing: RoutingState
    let witnesses = WitnessBoard()
    let links = RouterLinks()
    let mesh: MeshNode
    let hub: RouterHub
    let journal: ChangeJournal
    private let teller: ProgressTeller
    let station: RelayStation
    let presence: PresenceKeeper
    let typing: TypingCarrier
    let dispatchers: [AudienceDispatcher]
    let roster: ShardRoster
    private let factory: ShardFactory
    /// Whether shards that come are to be joined at once.
    private let hasJoined = Mutex(false)
    private let addresses = Mutex<[ShardAddresses.Entry]>([])
    private let drain: RouterOperator
    private let book: Mutex<RouterBook>
    private let tasks = Mutex<[Task<Void, Never>]>([])

    package init(
        _ configuration: Configuration,
        registry: SessionRegistry,
        leases: NodeLeases,
        group: any EventLoopGroup,
        metrics: MetricsRegistry,
        logger: Logger
    ) {
        let hub = RouterHub(logger: logger)
        self.configuration = configuration
        self.book = Mutex(RouterBook(own: configuration.name, listed: configuration.routers))
        self.registry = registry
        self.leases = leases
        self.logger = logger
        self.hub = hub
        self.mesh = MeshNode(
            identity: PeerIdentity(
                name: configuration.name,
                incarnation: configuration.incarnation,
                role: .router
            ),
            settings: configuration.mesh,
            group: group,
            delegate: hub,
            logger: logger
        )
        self.routing = RoutingState(own: configuration.life) { news in hub.routingChanged(news) }
        let loops = Array(group.makeIterator())
        self.dispatchers = loops.map {
            AudienceDispatcher(
                loop: $0,
                transport: hub,
                own: configuration.name,
                relayedFrom: configuration.relayedFromEdges
            )
        }
        var bounds = ChangeLog.Bounds()
        bounds.conversationsMax = configuration.changedConversationsMax
        let journal = ChangeJournal(own: configuration.life, life: configuration.incarnation, bounds: bounds)
        self.journal = journal
        let (links, mesh) = (self.links, self.mesh)
        self.teller = ProgressTeller(
            loop: loops[0],
            journal: journal,
            edges: { links.edges.map(\.edge) },
            send: { edge, payload in
                mesh.notify(
                    kind: NotificationKind.deliveryProgress.rawValue,
                    payload: payload,
                    to: edge,
                    class: .durable
                )
            }
        )
        self.station = Self.station(journal: journal, links: links, mesh: mesh)
        let roster = ShardRoster()
        self.roster = roster
        self.factory = ShardFactory(
            configuration: configuration,
            routing: self.routing,
            witnesses: self.witnesses,
            hub: hub,
            metrics: WriterMetrics(metrics),
            logger: logger
        )
        for shard in configuration.shards { _ = roster.add(self.factory.make(shard, roster: roster), of: shard.name) }
        self.presence = PresenceKeeper(
            routing: self.routing,
            shards: roster,
            logger: logger
        ) { [mesh] kind, payload, edge in
            mesh.notify(kind: kind.rawValue, payload: payload, to: edge, class: .ephemeral)
        }
        self.typing = TypingCarrier(
            membersMax: configuration.typingMembersMax,
            routing: self.routing,
            shards: roster,
            dispatchers: self.dispatchers
        ) { [mesh] kind, payload, edge in
            mesh.notify(kind: kind.rawValue, payload: payload, to: edge, class: .ephemeral)
        }
        let drain = RouterOperator(routing: self.routing, shards: roster)
        self.drain = drain
        hub.attach(
            RouterHub.Parts(
                mesh: self.mesh,
                routing: self.routing,
                witnesses: self.witnesses,
                links: self.links,
                settler: Self.settler(configuration, links: self.links, mesh: self.mesh, loop: loops[0]),
                registry: registry,
                dispatchers: self.dispatchers,
                requests: RequestDispatcher(
                    routing: self.routing,
                    shards: roster,
                    receiptMembersMax: configuration.writerBounds.receiptMembersMax
                ),
                presence: self.presence,
                typing: self.typing,
                shards: roster,
                catalogued: { [weak self] catalog in self?.catalogued(catalog) },
                requestTimeout: configuration.requestTimeout,
                journal: journal,
                teller: self.teller,
                station: self.station,
                operate: { drain.operate($0) }
            )
        )
        RouterMetrics.register(in: metrics, node: self)
    }

    private static func settler(
        _ configuration: Configuration,
        links: RouterLinks,
        mesh: MeshNode,
        loop: any EventLoop
    ) -> DeliverySettler {
        DeliverySettler(loop: loop, links: links, silenceLimit: configuration.mesh.silenceLimit) {
            edge,
            question,
            completion in
            mesh.request(
                kind: RequestKind.settleDeliveries.rawValue,
                slot: 0,
                epoch: 0,
                payload: question.encoded(),
                to: edge.edge,
                deadline: .now() + TimeAmount(configuration.requestTimeout)
            ) { result in
                // An edge of another version that refuses the question cannot be waited for.
                completion((try? result.get()) != nil)
            }
        }
    }

    // MARK: - Shards

    private func join() {
        self.hasJoined.withLock { $0 = true }
        self.roster.keepers.forEach { $0.join() }
    }

    /// Serves the shards that came, and leaves those that an operator has removed. On the thread of a keeper, which must
    /// not wait for others.
    private func catalogued(_ catalog: ShardCatalog) {
        let known = Dictionary(self.configuration.shards.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let described = catalog.shards.compactMap { shard in
            known[shard.name]
                ?? (shard.connection.isEmpty
                    ? nil : ShardDescriptor(name: shard.name, connectionString: shard.connection))
        }
        self.addresses.withLock {
            $0 = catalog.shards.compactMap { shard in
                let connection =
                    shard.connection.isEmpty ? self.configuration.publicConnections[shard.name] : shard.connection
                return connection.map { ShardAddresses.Entry(name: shard.name, connection: $0) }
            }
        }
        for shard in self.roster.missing(of: described) {
            let entry = self.factory.make(shard, roster: self.roster)
            guard self.roster.add(entry, of: shard.name) else {
                entry.services.writers.forEach { $0.shutdown() }
                continue
            }
            self.logger.notice("a shard has come", metadata: ["shard": "\(shard.name)"])
            entry.keeper.start()
            if self.hasJoined.withLock({ $0 }), !self.isDraining { entry.keeper.join() }
        }
        for (name, entry) in self.roster.removeOthers(than: Set(catalog.map.shards)) {
            self.logger.notice("a shard has been removed", metadata: ["shard": "\(name)"])
            entry.keeper.leave()
            // Nobody waits for its end: its database may be gone already.
            _ = PlainThread(name: "remove \(name)") {
                entry.services.writers.forEach { $0.shutdown() }
                entry.keeper.shutdown()
            }
        }
    }

    // MARK: - Life

    /// How long a router that starts waits for the links of the others before it proposes itself.
    ///
    /// Those that do not know it from their file find it with their next look at the leases.
    private static let joinWaitMax: Duration = .seconds(2)
    /// How often it looks meanwhile. Links are made on many event loops, and only a start and an end wait for them: a
    /// look is cheaper than a way to be told.
    private static let linksLookInterval: Duration = .milliseconds(10)

    /// Listens, dials the other routers and, as soon as those that live have a link to it, proposes itself to every
    /// shard. Shards that are away join later.
    package func start() async throws {
        let address = try await self.mesh.listen(host: self.configuration.meshHost, port: self.configuration.meshPort)
        self.logger.info("mesh listens", metadata: ["address": "\(address)"])
        self.dialRouters()
        self.teller.start()
        self.station.start(on: self.teller.loop)
        self.presence.start()
        for keeper in self.roster.keepers {
            keeper.start()
        }
        self.tasks.withLock {
            $0 = [
                Task { await self.readLeases() },
                Task {
                    await self.awaitLinks()
                    self.join()
                },
            ]
        }
    }

    /// Who sends to a router in a view has nobody else to send to, so those who will should be able to. One that has no
    /// link within the time may be dead or cut off, and is not waited for.
    private func awaitLinks() async {
        let end = ContinuousClock.now + Self.joinWaitMax
        guard let listing = try? await self.leases.leases() else { return }
        self.leasesRead(listing.leases)
        let others = Set(listing.leases.map(\.name)).subtracting([self.configuration.name])
        while !Task.isCancelled, .now < end, !others.isSubset(of: self.links.names) {
            try? await Task.sleep(for: Self.linksLookInterval)
        }
    }

    /// Why the router is not of full use; empty when it is.
    package func notReadyReasons() -> [String] {
        guard !self.isDraining else { return ["this router is being drained"] }
        let table = self.routing.snapshot
        var reasons: [String] = []
        if table.map == nil {
            reasons.append("the shard map is not known: run `trunkline migrate`, or no shard can be reached")
        }
        for shard in table.map?.shards ?? [] where table.map?.slots(of: shard).isEmpty == false {
            let own = self.configuration.life
            let isMember = table.views[shard]?.member(named: own.name) == own
            if !isMember {
                reasons.append("not in the view of shard \(shard)")
            }
        }
        return reasons
    }

    /// Whether an operator has it own nothing.
    package var isDraining: Bool { self.drain.isDraining }

    /// Has a node do what an operator wants: this router itself, or one that it has a link to.
    package func operate(_ order: OperateNode, on node: String) async -> Result<NodeReport, Failure> {
        if node == self.configuration.name { return self.drain.operate(order) }
        if let older = RouterOperator.refusal(of: order, to: node, speaking: self.mesh.version(of: node)) {
            return .failure(older)
        }
        let answer = await withCheckedContinuation { continuation in
            self.mesh.request(
                kind: RequestKind.operateNode.rawValue,
                slot: 0,
                epoch: 0,
                payload: order.encoded(),
                to: node,
                deadline: .now() + TimeAmount(self.configuration.requestTimeout)
            ) { continuation.resume(returning: $0) }
        }
        return RouterOperator.report(of: node, answer)
    }

    /// Whether there is a link to a node at this moment. A router has none to itself.
    package func isLinked(to node: String) -> Bool { self.links.names.contains(node) }

    /// Puts an order that was carried out into the log of a shard, if one can be reached. Does not wait.
    package func record(_ order: OperatorLogEntry) {
        OrderRecorder(shards: self.roster, logger: self.logger).record(order)
    }

    package var routingTable: RoutingTable { self.routing.snapshot }

    /// Hands the slots over, finishes what was accepted, and closes the links. Ends within about the time limit.
    package func shutdown(within limit: Duration) async {
        let end = ContinuousClock.now + limit
        self.drain.beginStop()
        self.station.close()
        let shards = self.roster.end()
        for shard in shards {
            shard.keeper.leave()
        }
        while ContinuousClock.now < end - limit / 4, !shards.allSatisfy(\.keeper.hasLeft) {
            try? await Task.sleep(for: .milliseconds(20))
        }
        self.tasks.withLock { $0 }.forEach { $0.cancel() }
        self.teller.stop()
        await withCheckedContinuation { continuation in
            let thread = PlainThread(name: "shutdown") {
                shards.flatMap(\.services.writers).forEach { $0.shutdown() }
                shards.forEach { $0.keeper.shutdown() }
                continuation.resume()
            }
            if thread == nil {
                continuation.resume()
            }
        }
        for shard in shards {
            await shard.services.readers.shutdown()
        }
        await self.endDeliveries(until: end)
        await self.mesh.shutdown()
        // Last, as the links tell it of their end.
        await self.presence.shutdown()
    }

    /// Tells the edges that they got everything, so that no session has to compare because of this router's end.
    private func endDeliveries(until end: ContinuousClock.Instant) async {
        var edges = Set(self.links.edges.map(\.edge))
        while !edges.isEmpty {
            for edge in edges {
                guard let ending = self.journal.ending(for: edge) else { continue }
                self.hub.notify(.deliveryProgress, ending.encoded(), edge: edge)
                edges.remove(edge)
            }
            guard !edges.isEmpty, ContinuousClock.now < end else { return }
            // The journal has no way to say when the last parcel was put on a link; only an end waits for that.
            try? await Task.sleep(for: Self.linksLookInterval)
        }
    }

    // MARK: - Leases

    /// Until cancelled: what Redis says of the other routers is one of the two witnesses.
    private func readLeases() async {
        var next = ContinuousClock.now
        while !Task.isCancelled {
            let isJudging = self.witnesses.isJudging()
            if isJudging || .now >= next {
                next = .now + self.configuration.leaseReadInterval
                await self.readLeasesOnce()
            }
            if isJudging {
                self.roster.keepers.forEach { $0.wake() }
            }
            // The shorter of the two intervals, so that a link that is lost now is judged at once.
            try? await Task.sleep(for: self.configuration.leaseReadIntervalJudging)
        }
    }

    private func readLeasesOnce() async {
        do {
            let listing = try await self.leases.leases()
            self.leasesRead(listing.leases)
            let addresses = self.addresses.withLock { $0 }
            if !addresses.isEmpty { await self.configuration.publish(addresses) }
            let renewedAgo = listing.leases.filter { $0.role == .router }.map { lease in
                (
                    RouterLife(name: lease.name, incarnation: lease.incarnation.description),
                    self.configuration.leaseTimeToLive - (listing.timeLeft[lease.name] ?? .zero)
                )
            }
            self.witnesses.leasesRead(Dictionary(renewedAgo, uniquingKeysWith: { first, _ in first }))
        } catch {
            self.witnesses.leasesRead(nil)
        }
    }

    private func leasesRead(_ leases: [NodeLease]) {
        let linked = self.links.names
        if self.book.withLock({ $0.leasesRead(leases, linked: linked, now: .now) }) { self.dialRouters() }
    }

    private func dialRouters() {
        let entries = self.book.withLock { $0.entries }
        self.mesh.setPeers(entries.map { MeshPeer(name: $0.name, role: .router, host: $0.host, port: $0.port) })
    }
}
