// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import Observability
import Synchronization

@testable import Edge

/// The bytes of a connection from the first one on: HTTP, and the upgrade to a WebSocket.
///
/// Input: a byte whose first bit lets answers wait until all is read and whose second asks the connection to stop then;
/// cuts; the bytes.
enum HTTPEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let form = input.byte()
        let cuts = Cuts(&input)
        let stream = input.remainder()
        let acceptor = EndingAcceptor()
        let answerer = Answerer(waits: form & 1 != 0)
        let channel = try Self.connect(acceptor, answerer)
        for piece in cuts.pieces(of: stream) where channel.isActive {
            // What is wrong with the bytes is answered by the handlers; an error that comes out at the end is one that
            // Hummingbird's part of the pipeline would get.
            _ = try? channel.writeInbound(piece)
        }
        if form & 2 != 0, channel.isActive {
            channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        }
        answerer.answerAll()
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        let written = try Self.written(channel)
        try Self.check(written, requests: answerer.requests, upgrades: acceptor.count, streamBytes: stream.count)
        _ = try? channel.finish(acceptAlreadyClosed: true)
        channel.embeddedEventLoop.advanceTime(by: .seconds(600))
    }

    private static func connect(_ acceptor: EndingAcceptor, _ answerer: Answerer) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel()
        let child = EdgeChildChannel(
            responder: { _, _, _ in },
            settings: HTTPSettings(host: "", port: 0, addressKey: "", bodyBytesMax: 200, connectionsMax: 1),
            acceptor: acceptor,
            admission: AdmissionControl(
                ClusterSettings.Rates(),
                waitMax: .seconds(20),
                metrics: MetricsRegistry()
            )
        )
        let bound = NIOLoopBound(answerer, eventLoop: channel.eventLoop)
        _ = try child.addHandlers(to: channel) { channel in
            try child.addHTTPHandlers(to: channel)
            try channel.pipeline.syncOperations.addHandler(bound.value)
            // As far as this outcome goes, nothing is left to do: the answers come from the handler.
            return .webSocket
        }
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    private static func written(_ channel: EmbeddedChannel) throws -> ByteBuffer {
        var written = ByteBuffer()
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { written.writeImmutableBuffer(bytes) }
        return written
    }

    /// Answers of HTTP/1.1, whole, one for a request and at most one more for what is no request.
    private static func check(_ written: ByteBuffer, requests: Int, upgrades: Int, streamBytes: Int) throws {
        let text = String(decoding: written.readableBytesView, as: UTF8.self)
        let answers = text.components(separatedBy: "HTTP/1.1 ")
        try require(text.isEmpty || answers[0].isEmpty, "what is written does not begin with an answer: \(text)")
        let count = answers.count - 1
        try require(upgrades <= 1, "upgraded \(upgrades) times")
        try require(count <= requests + upgrades + 1, "\(count) answers to \(requests) requests")
        for answer in answers.dropFirst() {
            let status = Int(answer.prefix(3)) ?? 0
            try require([100, 101, 200, 400, 405, 413, 426, 431, 503].contains(status), "status \(status) in \(text)")
            try require(answer.contains("\r\n\r\n"), "half a head in \(text)")
        }
        try require(
            written.readableBytes <= 600 * (requests + 2),
            "\(streamBytes) bytes, \(written.readableBytes) back"
        )
    }
}

extension String {
    /// Foundation's, without Foundation.
    fileprivate func components(separatedBy separator: String) -> [String] {
        self.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}

/// Counts upgrades and has whatever follows thrown away.
private final class EndingAcceptor: WebSocketAcceptor {
    private let upgrades = Atomic(0)

    var count: Int { self.upgrades.load(ordering: .relaxed) }
    var canAcceptSession: Bool { true }

    func acceptWebSocket(on channel: any Channel, speaking subprotocol: ClientSubprotocol) {
        self.upgrades.wrappingAdd(1, ordering: .relaxed)
    }
}

/// Answers each request with its body's size, at once or later.
private final class Answerer: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let waits: Bool
    private var context: ChannelHandlerContext?
    private var due = 0
    private(set) var requests = 0

    init(waits: Bool) {
        self.waits = waits
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head: self.requests += 1
        case .body: break
        case .end:
            self.due += 1
            if !self.waits { self.answerAll() }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {}

    func answerAll() {
        guard let context = self.context else { return }
        while self.due > 0 {
            self.due -= 1
            let head = HTTPResponse(status: .ok, headerFields: [.contentLength: "2"])
            context.write(self.wrapOutboundOut(.head(head)), promise: nil)
            context.write(self.wrapOutboundOut(.body(ByteBuffer(string: "{}"))), promise: nil)
            context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
