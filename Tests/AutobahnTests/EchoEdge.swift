// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Directory
import Logging
import Mesh
import Messaging
import NIOCore
import NIOPosix
import Observability
import TestSupport
import Wire

@testable import Edge

/// The HTTP side and the sessions of an edge on a free port, with the answer to each text message turned into that
/// message.
///
/// Everything else is the edge's own: the upgrade, the decoder, the assembler, limits, pings, and how a session ends.
final class EchoEdge: Sendable {
    let port: Int
    private let front: HTTPFront
    private let loop: SessionLoop
    private let running: Task<Void, any Error>

    /// Starts one, lends it, and stops it whatever happens.
    static func with<Value: Sendable>(_ body: @Sendable (EchoEdge) async throws -> Value) async throws -> Value {
        let edge = try await EchoEdge()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(edge))
        } catch {
            result = .failure(error)
        }
        edge.loop.cutOff()
        edge.loop.stop()
        await edge.front.stop()
        try await edge.running.value
        return try result.get()
    }

    private init() async throws {
        let logger = Logger(label: "echo") { _ in SwiftLogNoOpLogHandler() }
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let metrics = MetricsRegistry()
        let edgeMetrics = EdgeMetrics(metrics)
        let links = NoLinks()
        let routing = RoutingState()
        let admission = AdmissionControl(ClusterSettings.Rates(), waitMax: .seconds(20), metrics: metrics)
        let routers = RouterClient(
            routing: routing,
            links: links,
            requestTimeout: .seconds(1),
            submitTimeout: .seconds(1)
        )
        self.loop = SessionLoop(number: 0, eventLoop: eventLoop, metrics: edgeMetrics)
        let services = SessionServices(
            settings: Self.settings,
            routers: routers,
            receipts: ReceiptSender(routers: routers, eventLoop: eventLoop, metrics: edgeMetrics),
            verifier: NoTokens(),
            admission: admission,
            opener: NoOpener(),
            presence: PresenceService(
                eventLoop: eventLoop,
                membersMax: 0,
                index: SessionIndex(),
                loops: [self.loop],
                routing: routing,
                routers: routers,
                links: links,
                metrics: edgeMetrics
            ),
            metrics: edgeMetrics
        )
        self.front = HTTPFront(
            settings: HTTPSettings(host: "127.0.0.1", port: 0, addressKey: "", bodyBytesMax: 1024, connectionsMax: 100),
            api: RESTInterface(
                RESTInterface.Environment(
                    routers: routers,
                    accounts: Accounts(
                        routers: routers,
                        tokens: AccessTokens(
                            secret: [UInt8](repeating: 1, count: 32),
                            issuer: "echo",
                            lifetime: .seconds(1)
                        ),
                        hasher: PasswordHasher(
                            cost: ScryptCost(log2N: 1, blockSize: 1, parallelism: 1),
                            concurrent: 1,
                            queuedMax: 1
                        ),
                        admission: admission,
                        refreshLifetime: .seconds(1)
                    ),
                    tokens: NoTokens(),
                    admission: admission,
                    metrics: metrics,
                    bodyBytesMax: 1024,
                    unreadyReasons: { [] }
                )
            ),
            acceptor: EchoAcceptor(loop: self.loop, services: services, logger: logger),
            admission: admission,
            eventLoops: eventLoop,
            logger: logger
        )
        self.loop.start()
        let front = self.front
        self.running = Task { try await front.run() }
        self.port = try await front.listeningPort()
    }

    /// As an edge has them, save for what would end an echo that lasts: its sessions never authenticate, and every text
    /// is a wrong command to them.
    private static let settings = {
        var settings = SessionSettings(
            sessionsMax: 100,
            unsentBytesMax: 1 << 20,
            messageBytesMax: 16 << 20,
            submitsInFlightMax: 1,
            submitTimeout: .seconds(1),
            authenticationTimeout: .seconds(3600),
            heartbeat: .seconds(30),
            silence: .seconds(75)
        )
        settings.errorsInRowMax = .max
        return settings
    }()
}

private struct EchoAcceptor: WebSocketAcceptor {
    let loop: SessionLoop
    let services: SessionServices
    let logger: Logger

    var canAcceptSession: Bool { true }

    func acceptWebSocket(on channel: any Channel, speaking subprotocol: ClientSubprotocol) {
        SessionPipeline.add(to: channel, loop: self.loop, services: self.services, logger: self.logger)
        do {
            let pipeline = channel.pipeline.syncOperations
            let session = try pipeline.handler(type: SessionHandler.self)
            try pipeline.addHandler(
                EchoTap(messageBytesMax: self.services.settings.messageBytesMax),
                position: .before(session)
            )
        } catch {
            channel.close(promise: nil)
        }
    }
}

// MARK: - What no session here comes to need

private struct NoTokens: TokenVerifier {
    func verify(accessToken: String) throws(Failure) -> AccessClaims {
        throw Failure(.unauthenticated, "There are no tokens here.")
    }
}

private struct NoOpener: SessionOpening {
    func open(
        _ owner: Session.Owner,
        _ session: SessionID,
        loop: Int,
        on eventLoop: any EventLoop,
        completion: @escaping @Sendable (SessionOpener.Outcome) -> Void
    ) {
        eventLoop.execute { completion(.superseded) }
    }

    func close(_ owner: Session.Owner, _ session: SessionID, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        eventLoop.makeSucceededVoidFuture()
    }
}

private struct NoLinks: RouterLinks {
    var linkedRouters: [String] { [] }
    var linkedLives: [String: Incarnation] { [:] }

    func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to router: String,
        deadline: NIODeadline,
        completion: @escaping @Sendable (Result<MeshResponse, MeshError>) -> Void
    ) {
        completion(.failure(MeshError(.notConnected, mayHaveArrived: false, "there are no routers here")))
    }

    func notify(kind: UInt16, payload: ByteBuffer, to router: String, class trafficClass: TrafficClass) -> SendOutcome {
        .notConnected
    }
}
