// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Directory
import Logging
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Observability
import Placement
import Synchronization
import TestSupport
import Wire

@testable import Edge

/// What happened, in its order, whoever did it.
final class EventLog: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { self.lines.withLock { $0 } }

    func add(_ line: String) {
        self.lines.withLock { $0.append(line) }
    }

    func count(_ prefix: String) -> Int {
        self.all.count { $0.hasPrefix(prefix) }
    }
}

/// Tokens that say in plain text whose they are: `USER DEVICE`, or `expired`.
struct PlainTokens: TokenVerifier {
    static func token(_ user: UserID, _ device: DeviceID) -> String { "\(user) \(device)" }

    func verify(accessToken: String) throws(Failure) -> AccessClaims {
        if accessToken == "expired" { throw Failure(.tokenExpired, "It has expired.") }
        let parts = accessToken.split(separator: " ")
        guard parts.count == 2, let user = UserID(parts[0]), let device = DeviceID(parts[1]) else {
            throw Failure(.unauthenticated, "It is not one.")
        }
        return AccessClaims(user: user, device: device, expiresAt: .max)
    }
}

/// The session half of an edge on event loops whose time the test sets, with the far ends scripted.
struct SessionsFixture: Sendable {
    /// Where sessions are sent that are to go.
    static let neighbours = ["10.0.0.2:8200", "10.0.0.3:8200"]
    static let life = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))

    let log = EventLog()
    let links: ScriptedLinks
    let directory: ScriptedDirectory
    let registry = MetricsRegistry()
    let metrics: EdgeMetrics
    let index = SessionIndex()
    let eventLoop = NIOAsyncTestingEventLoop()
    let loop: SessionLoop
    let routing = RoutingState()
    let keeper: RegistryKeeper
    let services: SessionServices
    let dispatcher: DeliveryDispatcher
    let presence: PresenceService
    let inbox: MeshInbox
    let operatorSide: EdgeOperator
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(
        unsentBytesMax: Int = 1 << 20,
        messageBytesMax: Int = 128 << 10,
        submitsInFlightMax: Int = 8,
        sessionsMax: Int = 100,
        syncHeldBytes: Int = 256 << 10,
        rates: ClusterSettings.Rates = ClusterSettings.Rates(),
        verifier: any TokenVerifier = PlainTokens()
    ) {
        var settings = SessionSettings(
            sessionsMax: sessionsMax,
            unsentBytesMax: unsentBytesMax,
            messageBytesMax: messageBytesMax,
            submitsInFlightMax: submitsInFlightMax,
            submitTimeout: .seconds(15),
            authenticationTimeout: .seconds(10),
            heartbeat: .seconds(30),
            silence: .seconds(75)
        )
        settings.sync.heldBytesMax = syncHeldBytes
        let links = ScriptedLinks(log: self.log)
        let directory = ScriptedDirectory(log: self.log)
        let metrics = EdgeMetrics(self.registry)
        let loop = SessionLoop(number: 0, eventLoop: self.eventLoop, metrics: metrics)
        let routers = RouterClient(
            routing: self.routing,
            links: links,
            requestTimeout: .seconds(10),
            submitTimeout: .seconds(15)
        )
        let close: @Sendable (SessionIndex.Entry, CloseCode) -> Void = { loop.post(.close($1), to: $0.session) }
        let announcer = Announcer(eventLoop: self.eventLoop, links: links, index: self.index)
        let keeper = RegistryKeeper(
            life: Self.life,
            directory: directory,
            index: self.index,
            metrics: metrics,
            logger: self.logger,
            onSuperseded: { close($2, .replaced) },
            onChange: { announcer.registrationChanged($0?.serverRunID) }
        )
        let log = self.log
        let opener = SessionOpener(
            index: self.index,
            keeper: keeper,
            announcer: announcer,
            closeLocal: close,
            closeElsewhere: { _, _, location in log.add("displace on \(location.edge)") }
        )
        self.links = links
        self.directory = directory
        self.metrics = metrics
        self.loop = loop
        self.keeper = keeper
        self.presence = PresenceService(
            eventLoop: self.eventLoop,
            membersMax: 10,
            index: self.index,
            loops: [loop],
            routing: self.routing,
            routers: routers,
            links: links,
            metrics: metrics
        )
        self.services = SessionServices(
            settings: settings,
            routers: routers,
            receipts: ReceiptSender(routers: routers, eventLoop: self.eventLoop, metrics: metrics),
            verifier: verifier,
            admission: AdmissionControl(
                rates,
                waitMax: .seconds(20),
                metrics: self.registry,
                now: { [eventLoop] in eventLoop.now }
            ),
            opener: opener,
            presence: self.presence,
            metrics: metrics
        )
        self.dispatcher = DeliveryDispatcher(
            index: self.index,
            loops: [loop],
            links: links,
            presence: self.presence,
            metrics: metrics,
            logger: self.logger
        )
        self.operatorSide = EdgeOperator(
            services: self.services,
            evacuation: Evacuation(loops: [loop]) { Self.neighbours }
        )
        self.inbox = MeshInbox(logger: self.logger)
        self.inbox.connect(
            MeshInbox.Receivers(
                routing: self.routing,
                dispatcher: self.dispatcher,
                linkUp: {},
                presence: self.presence,
                settle: { loop.settle($0) },
                progress: RouterProgress(loops: [loop], onLoss: { [presence] in presence.eventsMayBeLost() }),
                operate: { [operatorSide] in operatorSide.operate($0) },
                displaced: { _ in }
            )
        )
        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
    }

    /// All slots in one shard with these routers.
    static func news(routers: [String], epoch: UInt64) -> RoutingNews {
        RoutingNews(
            map: ShardMap(dealing: ["shard-1"]),
            views: [View(shard: "shard-1", epoch: epoch, routers: routers)]
        )
    }

    /// A WebSocket as it is after its handshake.
    func connect(speaking subprotocol: ClientSubprotocol = .json) async throws -> SessionsClient {
        let channel = NIOAsyncTestingChannel(loop: self.eventLoop)
        let (loop, services, logger) = (self.loop, self.services, self.logger)
        try await self.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(HalfClosingHandler())
            SessionPipeline.add(
                to: channel,
                speaking: subprotocol,
                loop: loop,
                services: services,
                logger: logger
            )
        }.get()
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).get()
        return SessionsClient(channel: channel, loop: self.eventLoop, speaking: subprotocol)
    }

    /// A WebSocket with an open session.
    func authenticate(
        _ user: UserID,
        _ device: DeviceID,
        speaking subprotocol: ClientSubprotocol = .json
    ) async throws -> SessionsClient {
        let client = try await self.connect(speaking: subprotocol)
        let fields = ClientCommand.Authenticate(token: PlainTokens.token(user, device), deviceID: device)
        let id: CommandID = subprotocol == .json ? "auth" : 0
        try await client.send(.init(id: id, command: .authenticate(fields)))
        guard case .authenticated(id, _) = try await client.next() else {
            throw SessionsMismatch(description: "the session did not begin")
        }
        return client
    }

    /// Lets the clock go on and the sessions look at it.
    func advance(_ time: TimeAmount) async {
        await self.eventLoop.advanceTime(by: time)
        let loop = self.loop
        try? await self.eventLoop.executeInContext { loop.sweep(now: loop.eventLoop.now) }
        await self.eventLoop.run()
    }

    /// A message as a router delivers it.
    func deliver(_ delivers: [Deliver]) async {
        let peer = PeerIdentity(name: "router-1", incarnation: Incarnation(value: 9), role: .router)
        for deliver in delivers {
            self.inbox.meshNotification(
                kind: NotificationKind.deliver.rawValue,
                payload: deliver.encoded(),
                from: peer
            )
        }
        self.inbox.meshReadComplete(from: peer)
        await self.eventLoop.run()
    }

    /// Asks as a router does whether what came before has gone out; the answers are added to the log.
    func askToSettle(_ users: [UserID], through seq: UInt64 = 0) async {
        let log = self.log
        let request = InboundRequest(
            peer: PeerIdentity(name: "router-1", incarnation: Incarnation(value: 9), role: .router),
            kind: RequestKind.settleDeliveries.rawValue,
            slot: 0,
            epoch: 0,
            deadline: .now() + .seconds(60),
            payload: SettleDeliveries(users: users, conversation: ConversationID(value: 5), through: seq).encoded()
        ) { status, _ in log.add("settled \(status)") }
        self.inbox.meshRequest(request)
        await self.eventLoop.run()
    }
}

/// Closes the sending side the way a socket does: embedded channels would close altogether. Put before all others.
final class HalfClosingHandler: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output: promise?.succeed()
        case .all, .input: context.close(mode: mode, promise: promise)
        }
    }
}

extension Message {
    static func sample(
        _ seq: UInt64,
        sender: UserID,
        device: DeviceID,
        body: String = "hello"
    ) -> Message {
        Message(
            conversation: ConversationID(value: 5),
            seq: seq,
            sender: sender,
            senderDevice: device,
            clientMessageID: ClientMessageID.generate(),
            kind: .text,
            body: body,
            createdAt: 1_795_258_025_123
        )
    }
}

/// A count that any thread may change.
final class SessionsCounter: Sendable {
    private let count = Atomic(0)

    var value: Int { self.count.load(ordering: .relaxed) }

    func increment() {
        self.count.wrappingAdd(1, ordering: .relaxed)
    }
}
