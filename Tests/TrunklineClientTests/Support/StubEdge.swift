// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Synchronization
import TrunklineClient

/// A server on loopback that answers as a test tells it: the other end of the wire, with NIO's own frame decoder.
final class StubEdge: Sendable {
    struct Request: Sendable {
        var method: String
        var uri: String
        var headers: [String: String]
        var body: [UInt8]
    }

    struct Answer: Sendable {
        var status: Int
        var body: [UInt8]
        /// The connection ends without an answer.
        var isLost = false
        /// Seconds, as a proxy would say it.
        var retryAfter: Int?

        static func json(_ value: some Encodable, status: Int = 200) throws -> Answer {
            Answer(status: status, body: try JSONBody.encode(value))
        }

        static func problem(_ failure: Failure) throws -> Answer {
            Answer(status: failure.code.httpStatus, body: try JSONBody.encode(Problem(failure)))
        }
    }

    typealias Commands = @Sendable (CommandMessage, StubConnection) -> Void
    /// What to agree on of what a client offers.
    typealias Agrees = @Sendable ([String]) -> ClientSubprotocol?
    typealias Requests = @Sendable (Request) throws -> Answer

    private struct State {
        var connections: [StubConnection] = []
        var commands: [CommandMessage] = []
        var requests: [Request] = []
    }

    private let state = Mutex(State())
    private let onCommand: Commands
    private let onRequest: Requests
    private let upgrades: Bool
    private let agrees: Agrees
    private let listener: Mutex<(any Channel)?> = Mutex(nil)
    let address: EdgeAddress

    static func start(
        on group: any EventLoopGroup,
        upgrades: Bool = true,
        onCommand: @escaping Commands = { _, _ in },
        onRequest: @escaping Requests = { _ in Answer(status: 404, body: []) },
        agrees: @escaping Agrees = { ClientSubprotocol(offered: $0) }
    ) async throws -> StubEdge {
        let waiting = Waiting()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let edge = waiting.edge.withLock({ $0 }) else { throw ChannelError.ioOnClosedChannel }
                    try edge.configure(channel)
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let port = channel.localAddress?.port ?? 0
        let edge = StubEdge(EdgeAddress(host: "127.0.0.1", port: port), upgrades, agrees, onCommand, onRequest)
        edge.listener.withLock { $0 = channel }
        waiting.edge.withLock { $0 = edge }
        return edge
    }

    private final class Waiting: Sendable {
        let edge = Mutex<StubEdge?>(nil)
    }

    private init(
        _ address: EdgeAddress,
        _ upgrades: Bool,
        _ agrees: @escaping Agrees,
        _ onCommand: @escaping Commands,
        _ onRequest: @escaping Requests
    ) {
        self.address = address
        self.upgrades = upgrades
        self.agrees = agrees
        self.onCommand = onCommand
        self.onRequest = onRequest
    }

    var connections: [StubConnection] { self.state.withLock { $0.connections } }
    var commands: [CommandMessage] { self.state.withLock { $0.commands } }
    var requests: [Request] { self.state.withLock { $0.requests } }

    /// The messages that were asked to be sent, on all connections.
    var sends: [SendMessageRequest] {
        self.commands.compactMap {
            if case .sendMessage(let request) = $0.command { request } else { nil }
        }
    }

    /// Ends the listening and every connection, as if the process had died.
    func stop() async {
        let listener = self.listener.withLock { $0 }
        try? await listener?.close()
        for connection in self.connections { connection.cut() }
    }

    private func configure(_ channel: any Channel) throws {
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: 1 << 20,
            automaticErrorHandling: false,
            shouldUpgrade: { channel, head in
                var headers = HTTPHeaders()
                if let agreed = self.agreement(head) {
                    headers.add(name: "Sec-WebSocket-Protocol", value: agreed.rawValue)
                }
                return channel.eventLoop.makeSucceededFuture(head.uri == "/ws" && self.upgrades ? headers : nil)
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    let connection = StubConnection(channel, self.agreement(head) ?? .json)
                    self.state.withLock { $0.connections.append(connection) }
                    try channel.pipeline.syncOperations.addHandler(StubFrameHandler(self, connection))
                }
            }
        )
        let http = StubHTTPHandler(self)
        let bound = NIOLoopBound(http, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withServerUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in context.pipeline.syncOperations.removeHandler(bound.value, promise: nil)
                }
            )
        )
        try channel.pipeline.syncOperations.addHandler(http)
    }

    private func agreement(_ head: HTTPRequestHead) -> ClientSubprotocol? {
        self.agrees(head.headers["Sec-WebSocket-Protocol"])
    }

    fileprivate func received(_ command: CommandMessage, _ connection: StubConnection) {
        self.state.withLock { $0.commands.append(command) }
        self.onCommand(command, connection)
    }

    fileprivate func answer(_ request: Request) -> Answer {
        self.state.withLock { $0.requests.append(request) }
        do {
            return try self.onRequest(request)
        } catch {
            return Answer(status: 500, body: Array("\(error)".utf8))
        }
    }
}

/// One WebSocket, as the edge sees it. All calls may come from any thread.
final class StubConnection: Sendable {
    let channel: any Channel
    let subprotocol: ClientSubprotocol
    private let closeCode = Mutex<UInt16?>(nil)
    private let pongCount = Mutex(0)

    init(_ channel: any Channel, _ subprotocol: ClientSubprotocol) {
        self.channel = channel
        self.subprotocol = subprotocol
    }

    /// The code of the close frame that came, once one came.
    var receivedCloseCode: UInt16? { self.closeCode.withLock { $0 } }
    var pongs: Int { self.pongCount.withLock { $0 } }

    func send(_ message: ServerMessage) {
        switch self.subprotocol {
        case .json:
            self.send(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(bytes: message.encoded())))
        case .binary:
            self.send(WebSocketFrame(fin: true, opcode: .binary, data: message.encodedBinary()))
        }
    }

    func send(_ frame: WebSocketFrame) {
        self.channel.writeAndFlush(frame, promise: nil)
    }

    func close(_ code: UInt16, _ reason: String = "") {
        var data = ByteBuffer(integer: code)
        data.writeString(reason)
        self.send(WebSocketFrame(fin: true, opcode: .connectionClose, data: data))
    }

    /// Ends the connection without a close frame.
    func cut() {
        self.channel.close(promise: nil)
    }

    fileprivate func noteClose(_ code: UInt16) {
        self.closeCode.withLock { $0 = code }
    }

    fileprivate func notePong() {
        self.pongCount.withLock { $0 += 1 }
    }
}

private final class StubFrameHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame

    private let edge: StubEdge
    private let connection: StubConnection

    init(_ edge: StubEdge, _ connection: StubConnection) {
        self.edge = edge
        self.connection = connection
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = self.unwrapInboundIn(data)
        // A client that does not mask is none.
        guard frame.maskKey != nil else {
            context.close(promise: nil)
            return
        }
        var payload = frame.unmaskedData
        switch frame.opcode {
        case .binary where self.connection.subprotocol == .binary:
            var commands = BinaryCommands(payload)
            while case .success(let command)? = commands.next() {
                self.edge.received(command, self.connection)
            }
        case .text where self.connection.subprotocol == .json:
            if let command = try? CommandMessage(json: payload.readableBytesView) {
                self.edge.received(command, self.connection)
            }
        case .pong:
            self.connection.notePong()
        case .connectionClose:
            self.connection.noteClose(payload.readInteger() ?? 0)
            let reply = WebSocketFrame(fin: true, opcode: .connectionClose, data: frame.unmaskedData)
            context.channel.writeAndFlush(reply, promise: nil)
            context.close(promise: nil)
        default:
            break
        }
    }
}

private final class StubHTTPHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let edge: StubEdge
    private var request: StubEdge.Request?

    init(_ edge: StubEdge) {
        self.edge = edge
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            let headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
            self.request = StubEdge.Request(method: head.method.rawValue, uri: head.uri, headers: headers, body: [])
        case .body(let body):
            self.request?.body += Array(body.readableBytesView)
        case .end:
            guard let request = self.request else { return }
            self.request = nil
            let answer = self.edge.answer(request)
            guard !answer.isLost else {
                context.close(promise: nil)
                return
            }
            var headers: HTTPHeaders = [
                "content-type": answer.status < 300 ? "application/json" : Problem.mediaType,
                "content-length": "\(answer.body.count)",
            ]
            if let seconds = answer.retryAfter { headers.add(name: "retry-after", value: "\(seconds)") }
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
            context.write(self.wrapOutboundOut(.head(head)), promise: nil)
            context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
