// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import ClusterConfiguration
internal import Directory
package import Logging
package import Mesh
package import Messaging
package import NIOCore
internal import NIOPosix
internal import NIOWebSocket
package import Observability
import Synchronization
internal import Wire

/// One edge: its links to the routers, its sessions, and what both need. May be used from any thread.
///
///     start() ──▶ (HTTP hands over WebSockets, REST asks `routers`) ──▶ beginDrain() ──▶ shutdown(within:)
///
/// It listens nowhere itself; connections come through ``acceptWebSocket(on:)``.
package final class EdgeNode: WebSocketAcceptor {
    package let mesh: MeshNode
    package let routers: RouterClient
    /// What this edge admits; the HTTP side asks it too.
    package let admission: AdmissionControl
    private let peers: [MeshPeer]
    private let settings: SessionSettings
    private let services: SessionServices
    private let loops: [SessionLoop]
    private let loopNumbers: [ObjectIdentifier: Int]
    private let keeper: RegistryKeeper
    private let logger: Logger
    private let keeping = Mutex<Task<Void, Never>?>(nil)

    /// - Parameters:
    ///   - meshSecret: of the cluster.
    ///   - directory: the registry of sessions.
    ///   - group: the event loops that connections will come on; they outlive the node.
    package init(
        settings: ClusterSettings,
        node: ClusterSettings.Node,
        incarnation: Incarnation,
        meshSecret: [UInt8],
        directory: any SessionDirectory,
        verifier: any TokenVerifier,
        group: any EventLoopGroup,
        metrics registry: MetricsRegistry,
        logger: Logger
    ) {
        let metrics = EdgeMetrics(registry)
        let inbox = MeshInbox(logger: logger)
        let mesh = MeshNode(
            identity: PeerIdentity(name: node.name, incarnation: incarnation, role: .edge),
            settings: MeshSettings(settings, secret: meshSecret),
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
            onChange: { isComplete in announcer.registrationChanged(isComplete) }
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
                displaced: { displaced in
                    guard displaced.edge == life.edge, displaced.incarnation == life.incarnation,
                        let current = index.current(displaced.user, displaced.device),
                        current.session == displaced.session
                    else { return }
                    closeLocal(current, .replaced)
                }
            )
        )
        let admission = AdmissionControl(
            settings.rates,
            waitMax: settings.timeouts.admissionWait,
            metrics: registry
        )
        self.admission = admission
        self.mesh = mesh
        self.routers = routers
        self.peers = settings.routers.compactMap { router in
            router.mesh.map { MeshPeer(name: router.name, role: .router, host: $0.host, port: $0.port) }
        }
        self.settings = SessionSettings(settings)
        self.services = SessionServices(
            settings: self.settings,
            routers: routers,
            receipts: ReceiptSender(routers: routers, eventLoop: eventLoops[0], metrics: metrics),
            verifier: verifier,
            admission: admission,
            opener: opener,
            presence: presence,
            metrics: metrics
        )
        self.loops = loops
        self.loopNumbers = Dictionary(
            uniqueKeysWithValues: eventLoops.enumerated().map { (ObjectIdentifier($1), $0) }
        )
        self.keeper = keeper
        self.logger = logger
    }

    // MARK: - Life

    /// Dials the routers and begins to keep the registry. Does not wait for either; see ``unreadyReasons``.
    package func start() {
        self.mesh.setPeers(self.peers)
        self.services.presence.start()
        for loop in self.loops {
            loop.start()
        }
        let keeper = self.keeper
        self.keeping.withLock { keeping in
            guard keeping == nil else { return }
            keeping = Task { await keeper.run() }
        }
    }

    /// Why the edge cannot serve clients at this moment; empty when it can.
    package var unreadyReasons: [String] {
        var reasons: [String] = []
        if self.services.isDraining { reasons.append("this edge stops") }
        if self.mesh.linkedRouters.isEmpty { reasons.append("there is no link to any router") }
        if !self.routers.routing.isComplete { reasons.append("it is not known which routers own the slots") }
        return reasons
    }

    /// From now on no session is accepted and no message taken from a WebSocket; those under way are answered.
    package func beginDrain() {
        self.services.beginDrain()
    }

    /// Has the clients go elsewhere, at a set rate, then takes the edge out of registry and mesh.
    ///
    /// - Parameter limit: after this time what is left is cut off.
    package func shutdown(within limit: Duration) async {
        self.beginDrain()
        await self.closeSessions(until: .now + limit)
        for loop in self.loops {
            loop.cutOff()
        }
        let keeping = self.keeping.withLock { keeping in
            defer { keeping = nil }
            return keeping
        }
        keeping?.cancel()
        // A refill that is under way would set the marker again.
        await keeping?.value
        await self.keeper.withdraw()
        self.services.presence.stop()
        await self.mesh.shutdown()
        for loop in self.loops {
            loop.stop()
        }
    }

    /// Sessions that are told to go in one wave; a wave goes every ``waveInterval``.
    private static let sessionsPerWave = 100
    private static let waveInterval = Duration.milliseconds(50)
    /// This long before the time is up, messages in flight are not waited for any more.
    private static let forcedTime = Duration.seconds(2)

    private func closeSessions(until deadline: ContinuousClock.Instant) async {
        while self.services.openEnds > 0, ContinuousClock.now < deadline {
            let waits = ContinuousClock.now + Self.forcedTime < deadline
            var left = waits ? Self.sessionsPerWave : Int.max
            for loop in self.loops {
                let sessions = (try? await loop.openSessions(withoutSubmits: waits).get()) ?? []
                for session in sessions.prefix(left) {
                    loop.post(.close(.shuttingDown), to: session)
                }
                left -= min(left, sessions.count)
            }
            do {
                try await Task.sleep(for: Self.waveInterval)
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
        self.creditItems = settings.limits.meshCreditItems
        self.creditBytes = settings.limits.meshCreditBytes
    }
}
