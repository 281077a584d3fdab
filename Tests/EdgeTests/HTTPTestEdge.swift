// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Foundation
import Logging
import Messaging
import NIOCore
import NIOPosix
import NIOSSL
import Observability
import Synchronization
import TestSupport
import Wire

@testable import Edge

/// The HTTP side of an edge on a free port of loopback, with scripted routers behind it and an acceptor that counts.
final class HTTPTestEdge: Sendable {
    static let secret = Array("a secret of thirty-two bytes....".utf8)

    let routers = ScriptedRouters()
    let acceptor = CountingAcceptor()
    let metrics = MetricsRegistry()
    let readiness = ScriptedReadiness()
    let tokens = AccessTokens(secret: secret, issuer: "test", lifetime: .seconds(900))
    let clock = ManualClock()
    let hasher = PasswordHasher(
        cost: ScryptCost(log2N: 4, blockSize: 8, parallelism: 1),
        concurrent: 1,
        queuedMax: 16
    )
    let api: RESTInterface
    let front: HTTPFront
    let port: Int
    private let running: Task<Void, any Error>

    /// Starts an edge, lends it, and stops it whatever happens.
    static func with<Value: Sendable>(
        rates: ClusterSettings.Rates = ClusterSettings.Rates(),
        _ configure: (inout HTTPSettings) -> Void = { _ in },
        _ body: @Sendable (HTTPTestEdge) async throws -> Value
    ) async throws -> Value {
        let edge = try await HTTPTestEdge(rates, configure)
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(edge))
        } catch {
            result = .failure(error)
        }
        for channel in edge.acceptor.state.withLock({ $0.accepted }) {
            channel.close(promise: nil)
        }
        await edge.front.stop()
        try await edge.running.value
        await edge.hasher.shutdown()
        return try result.get()
    }

    private init(_ rates: ClusterSettings.Rates, _ configure: (inout HTTPSettings) -> Void) async throws {
        let admission = AdmissionControl(
            rates,
            waitMax: .seconds(20),
            metrics: self.metrics,
            now: { [clock] in clock.now }
        )
        var settings = HTTPSettings(
            host: "127.0.0.1",
            port: 0,
            addressKey: "nodes.edge-1.http",
            bodyBytesMax: 100_000,
            connectionsMax: 100
        )
        configure(&settings)
        self.api = RESTInterface(
            RESTInterface.Environment(
                routers: self.routers,
                accounts: Accounts(
                    routers: self.routers,
                    tokens: self.tokens,
                    hasher: self.hasher,
                    admission: admission,
                    refreshLifetime: .seconds(86_400)
                ),
                tokens: self.tokens,
                admission: admission,
                metrics: self.metrics,
                bodyBytesMax: settings.bodyBytesMax,
                unreadyReasons: { [readiness] in readiness.reasons.withLock { $0 } }
            )
        )
        var logger = Logger(label: "edge")
        logger.logLevel = .critical
        let front = HTTPFront(
            settings: settings,
            api: self.api,
            acceptor: self.acceptor,
            admission: admission,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        )
        self.front = front
        self.running = Task { try await front.run() }
        do {
            self.port = try await front.listeningPort()
        } catch {
            await self.hasher.shutdown()
            throw error
        }
    }

    // MARK: - Asking

    /// A token of a user who need not exist.
    func token(of user: UserID = .generate(), device: DeviceID = .generate()) throws -> String {
        try self.tokens.issue(user: user, device: device)
    }

    /// Makes a user with the routers, without the detour over the interface.
    func makeUser(_ name: String) -> UserID {
        let user = UserID.generate()
        self.routers.state.withLock { state in
            state.names[name] = user
            state.users[user] = .init(user: user, username: name, displayName: name, passwordHash: "", createdAt: 0)
        }
        return user
    }

    func ask(
        _ method: String,
        _ path: String,
        token: String? = nil,
        json: String? = nil,
        headers: [(String, String)] = []
    ) async throws -> TestAnswer {
        var text = "\(method) \(path) HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n"
        if let token { text += "Authorization: Bearer \(token)\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let json { text += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        let socket = try await RawSocket(port: self.port)
        try await socket.send(text + "\r\n" + (json ?? ""))
        let answer = try await socket.answer(toHead: method == "HEAD")
        try await socket.close()
        return answer
    }
}

/// Takes WebSockets, and echoes bytes on them so that a test sees who has the connection.
final class CountingAcceptor: WebSocketAcceptor {
    struct State {
        var isFull = false
        var accepted: [any Channel] = []
        var spoken: [ClientSubprotocol] = []
    }

    let state = Mutex(State())

    var canAcceptSession: Bool { self.state.withLock { !$0.isFull } }

    func acceptWebSocket(on channel: any Channel, speaking subprotocol: ClientSubprotocol) {
        channel.eventLoop.preconditionInEventLoop()
        try? channel.pipeline.syncOperations.addHandler(EchoHandler())
        self.state.withLock { state in
            state.accepted.append(channel)
            state.spoken.append(subprotocol)
        }
    }

    private final class EchoHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(data, promise: nil)
        }
    }
}

/// A clock that the test sets.
final class ManualClock: Sendable {
    private let time = Mutex(NIODeadline.uptimeNanoseconds(1_000_000_000_000))

    var now: NIODeadline { self.time.withLock { $0 } }

    func advance(_ amount: TimeAmount) {
        self.time.withLock { $0 = $0 + amount }
    }
}

/// What keeps an edge from being ready.
final class ScriptedReadiness: Sendable {
    let reasons = Mutex<[String]>([])
}

/// The edge closed a connection before its answer was whole.
struct ConnectionEnded: Error {
    var bytesReceived: Int
}

/// A whole answer of HTTP.
struct TestAnswer: Sendable {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]

    var code: String? { self.json?["code"]?.string }
    var json: JSONValue? { try? JSONValue(json: self.body) }
    var text: String { String(decoding: self.body, as: UTF8.self) }

    func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        try JSONBody.decode(type, from: self.body)
    }
}

/// A TCP connection that says exactly what a test tells it to.
final class RawSocket: Sendable {
    private struct State {
        var received: [UInt8] = []
        var isClosed = false
    }

    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        let shared: Shared

        init(_ shared: Shared) {
            self.shared = shared
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(self.unwrapInboundIn(data).readableBytesView)
            self.shared.state.withLock { $0.received += bytes }
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.shared.state.withLock { $0.isClosed = true }
        }
    }

    private let channel: any Channel
    private let shared: Shared

    /// - Parameter tls: What to speak TLS with; nil for none.
    init(port: Int, tls: NIOSSLContext? = nil) async throws {
        let shared = Shared()
        self.shared = shared
        self.channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: nil)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(shared))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    var received: String { String(decoding: self.shared.state.withLock { $0.received }, as: UTF8.self) }
    var isClosed: Bool { self.shared.state.withLock { $0.isClosed } }

    func send(_ text: String) async throws {
        try await self.channel.writeAndFlush(ByteBuffer(string: text))
    }

    /// Sends what may be refused on the way, because the other side has closed.
    func trySend(_ text: String) async {
        try? await self.send(text)
    }

    func closeOutput() async throws {
        try await self.channel.close(mode: .output)
    }

    func close() async throws {
        try? await self.channel.close()
    }

    func waitUntilClosed(within time: Duration = .seconds(10)) async throws {
        try await eventually("the edge closes the connection", within: time) { self.isClosed }
    }

    func wait(for text: String) async throws {
        try await eventually("\(text.debugDescription) is received") { self.received.contains(text) }
    }

    /// Takes one answer with a length.
    func answer(toHead: Bool = false) async throws -> TestAnswer {
        try await eventually("a whole answer is received") {
            self.shared.state.withLock { Self.parse($0.received, toHead: toHead) != nil || $0.isClosed }
        }
        return try self.shared.state.withLock { state in
            guard let (answer, length) = Self.parse(state.received, toHead: toHead) else {
                throw ConnectionEnded(bytesReceived: state.received.count)
            }
            state.received.removeFirst(length)
            return answer
        }
    }

    private static func parse(_ bytes: [UInt8], toHead: Bool) -> (TestAnswer, length: Int)? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
        }
        let length = toHead ? 0 : headers["content-length"].flatMap { Int($0) } ?? 0
        guard
            bytes.count >= end.upperBound + length,
            let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        let body = Array(bytes[end.upperBound..<end.upperBound + length])
        return (TestAnswer(status: status, headers: headers, body: body), end.upperBound + length)
    }
}
