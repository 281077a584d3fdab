// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import ClusterConfiguration
package import Directory
package import Logging
package import Mesh
package import Messaging
package import NIOCore
internal import NIOPosix
internal import NIOWebSocket
package import Observability
import Synchronization
package import TransportSecurity
internal import Wire

/// One edge: its links to the routers, its sessions, and what both need. May be used from any thread.
///
///     start() ──▶ (HTTP hands over WebSockets, REST asks `routers`) ──▶ beginStop() ──▶ shutdown(within:)
///
/// It listens nowhere itself; connections come through ``acceptWebSocket(on:)``.
package final class EdgeNode: WebSocketAcceptor {
    package let mesh: MeshNode
    package let routers: RouterClient
    /// What this edge admits; the HTTP side asks it too.
    package let admission: AdmissionControl
    private let book: Mutex<RouterBook>
    private let watch: NodeWatch?
    private let neighbours: NeighbourEdges
    private let settings: SessionSettings
    private let services: SessionServices
    private let loops: [SessionLoop]
    private let loopNumbers: [ObjectIdentifier: Int]
    private let keeper: RegistryKeeper
    /// At which sessions go when the edge stops.
    private let leavingRate: Rate?
    private let logger: Logger
    private let keeping = Mutex<[Task<Void, Never>]>([])

    /// - Parameters:
    ///   - meshSecret: of the cluster.
    ///   - meshCertificates: nil for a mesh without TLS.
    ///   - directory: the registry of sessions.
    ///   - listedRouters: those that are known beforehand.
    ///   - watch: tells of others.
    ///   - group: the event loops that connections will come on; they outlive the node.
    package init(
        settings: ClusterSettings,
        node: ClusterSettings.Node,
        incarnation: Incarnation,
        meshSecret: [UInt8],
        meshCertificates: LiveCertificates?,
        directory: any SessionDirectory,
        routers listedRouters: [RouterBook.Entry],
        watch: NodeWatch?,
        verifier: any TokenVerifier,
        group: any EventLoopGroup,
        metrics registry: MetricsRegistry,
        logger: Logger
    ) {
        let metrics = EdgeMetrics(registry)
        registry.gauge(
            "trunkline_edge_sessions_max",
            help: "WebSockets that may be open; more are refused (limits.sessions_per_edge)."
        ).set(Int64(settings.limits.sessionsPerEdge))
        let inbox = MeshInbox(logger: logger)
        var meshSettings = MeshSettings(settings, secret: meshSecret)
        meshSettings.certificates = meshCertificates
        let mesh = MeshNode(
            identity: PeerIdentity(name: node.name, incarnation: incarnation, role: .edge),
            settings: meshSettings,
            group: group,
            delegate: inbox,
            logger: logger
        )
        let names = NotificationKind.allCases.map { (Int($0.rawValue), "\($0)") }
        MeshMetrics.register(
            in: registry,
            node: mesh,
            notificationNames: Dictionary(names, uniquingKeysWith: { first, _ in first })
        )
        let waits = RetryWaits()
        let routing = RoutingState { owners in
            inbox.ownersChanged(owners)
            waits.wakeAll()
        }
        let routers = RouterClient(
            routing: routing,
            links: mesh,
            waits: waits,
            requestTimeout: settings.timeouts.request,
            submitTimeout: settings.timeouts.submit
        )
        let eventLoops = Array(group.makeIterator())
        let deliveryWait = TimeAmount(settings.timeouts.deliveryWait)
        let loops = eventLoops.enumerated().map {
            SessionLoop(number: $0, eventLoop: $1, metrics: metrics, deliveryWaitMax: deliveryWait)
        }
        let index = SessionIndex()
        let closeLocal: @Sendable (SessionIndex.Entry, CloseCode) -> Void = { entry, code in
            loops[entry.loop].post(.close(code), to: entry.session)
        }
        let life = EdgeLife(edge: node.name, incarnation: incarnation)
        let announcer = Announcer(eventLoop: eventLoops[0], links: mesh, index: index)
        let keeper = RegistryKeeper(
            life: life,
            directory: directory,
            index: index,
            metrics: metrics,
            logger: logger,
            onSuperseded: { _, _, entry in closeLocal(entry, .replaced) },
            onChange: { life in announcer.registrationChanged(life?.serverRunID) }
        )
        let presence = PresenceService(
            eventLoop: eventLoops[0],
            membersMax: settings.limits.presenceMembers,
            index: index,
            loops: loops,
            routing: routing,
            routers: routers,
            links: mesh,
            metrics: metrics
        )
        let opener = SessionOpener(
            index: index,
            keeper: keeper,
            announcer: announcer,
            closeLocal: closeLocal,
            closeElsewhere: { user, device, location in
                // An earlier life of this edge has nothing to close any more.
                guard location.edge != life.edge else { return }
                let displaced = DisplaceSession(
                    edge: location.edge,
                    incarnation: location.incarnation,
                    user: user,
                    device: device,
                    session: location.session
                )
                routers.tellAnyRouter(.displaceSession, displaced.encoded())
            }
        )
        let admission = AdmissionControl(
            settings.rates,
            waitMax: settings.timeouts.admissionWait,
            metrics: registry
        )
        let sessionSettings = SessionSettings(settings)
        let services = SessionServices(
            settings: sessionSettings,
            routers: routers,
            receipts: ReceiptSender(routers: routers, eventLoop: eventLoops[0], metrics: metrics),
            verifier: verifier,
            admission: admission,
            opener: opener,
            presence: presence,
            metrics: metrics
        )
        let neighbours = NeighbourEdges(own: node.name)
        let evacuation = Evacuation(loops: loops) { neighbours.addresses }
        let edgeOperator = EdgeOperator(services: services, evacuation: evacuation)
        inbox.connect(
            MeshInbox.Receivers(
                routing: routing,
                dispatcher: DeliveryDispatcher(
                    index: index,
                    loops: loops,
                    links: mesh,
                    presence: presence,
                    metrics: metrics,
                    logger: logger
                ),
                linkUp: {
                    announcer.tellRegistration()
                    waits.wakeAll()
                },
                presence: presence,
                settle: { users in
                    .andAllComplete(loops.map { $0.settle(users) }, on: eventLoops[0])
                },
                progress: RouterProgress(loops: loops, onLoss: { presence.eventsMayBeLost() }),
                operate: { edgeOperator.operate($0) },
                displaced: { displaced in
                    guard displaced.edge == life.edge, displaced.incarnation == life.incarnation,
                        let current = index.current(displaced.user, displaced.device),
                        current.session == displaced.session
                    else { return }
                    closeLocal(current, .replaced)
                }
            )
        )
        self.admission = admission
        self.mesh = mesh
        self.routers = routers
        self.book = Mutex(RouterBook(own: node.name, listed: listedRouters))
        self.watch = watch
        self.settings = sessionSettings
        self.services = services
        self.neighbours = neighbours
        self.loops = loops
        self.loopNumbers = Dictionary(
            uniqueKeysWithValues: eventLoops.enumerated().map { (ObjectIdentifier($1), $0) }
        )
        self.keeper = keeper
        self.leavingRate = settings.rates.leavingPerNode
        self.logger = logger
    }

    // MARK: - Life

    /// Dials the routers and begins to keep the registry. Does not wait for either; see ``unreadyReasons``.
    package func start() {
        self.dialRouters()
        self.services.presence.start()
        for loop in self.loops {
            loop.start()
        }
        let keeper = self.keeper
        self.keeping.withLock { keeping in
            guard keeping.isEmpty else { return }
            keeping = [Task { await keeper.run() }, Task { await self.watch?.run { self.leasesRead($0) } }]
        }
    }

    private func leasesRead(_ leases: [NodeLease]) {
        self.neighbours.leasesRead(leases)
        let linked = Set(self.mesh.linkedRouters)
        if self.book.withLock({ $0.leasesRead(leases, linked: linked, now: .now) }) { self.dialRouters() }
    }

    private func dialRouters() {
        let entries = self.book.withLock { $0.entries }
        self.mesh.setPeers(entries.map { MeshPeer(name: $0.name, role: .router, host: $0.host, port: $0.port) })
    }

    /// Why the edge cannot serve clients at this moment; empty when it can.
    package var unreadyReasons: [String] {
        var reasons: [String] = []
        switch self.services.mode {
        case .open: break
        case .draining: reasons.append("this edge is being drained")
        case .stopping: reasons.append("this edge stops")
        }
        if self.mesh.linkedRouters.isEmpty { reasons.append("there is no link to any router") }
        if !self.routers.routing.isComplete { reasons.append("it is not known which routers own the slots") }
        return reasons
    }

    /// Whether an operator has it take nobody new.
    package var isDraining: Bool { self.services.mode == .draining }

    /// From now on no session is accepted and no message taken from a WebSocket; those under way are answered.
    package func beginStop() {
        self.services.enter(.stopping)
    }

    /// Has the clients go elsewhere, at a set rate, then takes the edge out of registry and mesh.
    ///
    /// - Parameter limit: after this time what is left is cut off.
    package func shutdown(within limit: Duration) async {
        self.beginStop()
        await self.closeSessions(within: limit)
        for loop in self.loops {
            loop.cutOff()
        }
        let keeping = self.keeping.withLock { keeping in
            defer { keeping = [] }
            return keeping
        }
        for task in keeping {
            task.cancel()
            // A refill that is under way would set the marker again, and a reading of the leases dial again.
            await task.value
        }
        await self.keeper.withdraw()
        self.services.presence.stop()
        await self.mesh.shutdown()
        for loop in self.loops {
            loop.stop()
        }
    }

    private func closeSessions(within limit: Duration) async {
        let end = NIODeadline.now() + TimeAmount(limit)
        var pace = DismissalPace(self.leavingRate, now: .now(), end: end)
        while self.services.openEnds > 0, NIODeadline.now() < end {
            for loop in self.loops {
                let waits = !pace.isForced(now: .now())
                let sessions = (try? await loop.openSessions(withoutSubmits: waits).get()) ?? []
                for session in sessions.prefix(pace.take(sessions.count, now: .now())) {
                    loop.post(.close(.shuttingDown), to: session)
                }
            }
            do {
                try await Task.sleep(for: .nanoseconds(DismissalPace.interval.nanoseconds))
            } catch {
                return
            }
        }
    }

    // MARK: - Sessions

    package var canAcceptSession: Bool { self.services.hasRoom }

    package func acceptWebSocket(on channel: any Channel, speaking subprotocol: ClientSubprotocol) {
        guard let number = self.loopNumbers[ObjectIdentifier(channel.eventLoop)] else {
            self.logger.error("A connection came on an event loop that is not the edge's")
            channel.close(promise: nil)
            return
        }
        SessionPipeline.add(
            to: channel,
            speaking: subprotocol,
            loop: self.loops[number],
            services: self.services,
            logger: self.logger
        )
    }
}

extension MeshSettings {
    init(_ settings: ClusterSettings, secret: [UInt8]) {
        self.init(cluster: settings.cluster, secret: secret)
        self.heartbeatInterval = TimeAmount(settings.timeouts.heartbeat)
        self.silenceLimit = TimeAmount(settings.timeouts.silence)
        self.connectTimeout = TimeAmount(settings.timeouts.connect)
        self.compression = BlockCompression(
            thresholdBytes: settings.limits.meshCompressionThresholdBytes,
            level: settings.limits.meshCompressionLevel
        )
        self.outboundQueueBytesMax = settings.limits.meshQueueBytes
        self.versionMax = UInt16(clamping: settings.limits.meshVersionMax)
        self.creditItems = settings.limits.meshCreditItems
        self.creditBytes = settings.limits.meshCreditBytes
    }
}
