// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore
internal import NIOHTTP1
internal import NIOWebSocket

/// The opening handshake, the client's part (RFC 6455 §4.1), ending in a pipeline that decodes frames and encodes none:
/// ``MaskedFrame`` writes them ready.
struct WebSocketUpgrade: NIOTypedHTTPClientProtocolUpgrader {
    /// The status of an edge that did not agree, 0 when it agreed wrongly.
    struct Refused: Error {
        var status: Int
    }

    typealias UpgradeResult = Void

    /// What NIO knows about the handshake; its own `upgrade` would add an encoder.
    private let handshake = NIOTypedWebSocketClientUpgrader<Void> { channel, _ in
        channel.eventLoop.makeSucceededVoidFuture()
    }
    let frameBytesMax: Int
    /// Subprotocols, the preferred one first.
    let offers: [ClientSubprotocol]
    let addHandler: @Sendable (any Channel, ClientSubprotocol) throws -> Void
    let onRefusal: @Sendable (HTTPResponseHead) -> Void

    /// - Parameter onRefusal: Called on the channel's event loop with the head of an answer that is no agreement, before
    ///   the future of ``configure(_:edge:)`` fails.
    init(
        frameBytesMax: Int,
        offers: [ClientSubprotocol] = [],
        addHandler: @escaping @Sendable (any Channel, ClientSubprotocol) throws -> Void,
        onRefusal: @escaping @Sendable (HTTPResponseHead) -> Void
    ) {
        self.frameBytesMax = frameBytesMax
        self.offers = offers
        self.addHandler = addHandler
        self.onRefusal = onRefusal
    }

    var supportedProtocol: String { self.handshake.supportedProtocol }
    var requiredUpgradeHeaders: [String] { self.handshake.requiredUpgradeHeaders }

    func addCustom(upgradeRequestHeaders headers: inout HTTPHeaders) {
        self.handshake.addCustom(upgradeRequestHeaders: &headers)
        guard !self.offers.isEmpty else { return }
        headers.add(name: Self.header, value: self.offers.map(\.rawValue).joined(separator: ", "))
    }

    func shouldAllowUpgrade(upgradeResponse response: HTTPResponseHead) -> Bool {
        // What was not offered must not be answered (RFC 6455 §4.1).
        self.handshake.shouldAllowUpgrade(upgradeResponse: response)
            && response.headers[Self.header].allSatisfy { answer in self.offers.contains { $0.rawValue == answer } }
    }

    private static let header = "Sec-WebSocket-Protocol"

    func upgrade(channel: any Channel, upgradeResponse: HTTPResponseHead) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let decoder = WebSocketFrameDecoder(maxFrameSize: self.frameBytesMax)
            try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(decoder))
            try self.addHandler(channel, ClientSubprotocol(offered: upgradeResponse.headers[Self.header]) ?? .json)
        }
    }

    /// Makes a pipeline that asks for the upgrade as soon as it is connected.
    ///
    /// - Returns: What succeeds when the handler is in its place and fails when the edge does not agree.
    func configure(_ channel: any Channel, edge: EdgeAddress) throws -> EventLoopFuture<Void> {
        let head = HTTPRequestHead(
            version: .http1_1,
            method: .GET,
            uri: "/ws",
            headers: ["Host": edge.authority, "Content-Length": "0"]
        )
        var configuration = NIOUpgradableHTTPClientPipelineConfiguration(
            upgradeConfiguration: NIOTypedHTTPClientUpgradeConfiguration(
                upgradeRequestHead: head,
                upgraders: [self],
                notUpgradingCompletionHandler: { channel in
                    channel.eventLoop.makeFailedFuture(Refused(status: 0))
                }
            )
        )
        // An edge may send its first frames together with its agreement.
        configuration.leftOverBytesStrategy = .forwardBytes
        let pipeline = channel.pipeline.syncOperations
        let upgraded = try pipeline.configureUpgradableHTTPClientPipeline(configuration: configuration)
        let upgradeHandler = try pipeline.handler(type: NIOTypedHTTPClientUpgradeHandler<Void>.self)
        try pipeline.addHandler(AnswerWatcher(onRefusal: self.onRefusal), position: .before(upgradeHandler))
        return upgraded
    }

    /// Sees the head of the answer, which NIO's handler keeps to itself when it is a refusal. Gone with the first read.
    private final class AnswerWatcher: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = HTTPClientResponsePart
        typealias InboundOut = HTTPClientResponsePart

        private let onRefusal: @Sendable (HTTPResponseHead) -> Void
        private var isDone = false

        init(onRefusal: @escaping @Sendable (HTTPResponseHead) -> Void) {
            self.onRefusal = onRefusal
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // What follows an agreement is no part of an answer any more.
            guard !self.isDone else { return context.fireChannelRead(data) }
            self.isDone = true
            if case .head(let head) = self.unwrapInboundIn(data), head.status != .switchingProtocols {
                self.onRefusal(head)
            }
            context.fireChannelRead(data)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        }
    }
}
