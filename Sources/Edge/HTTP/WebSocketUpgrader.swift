// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore
internal import NIOHTTP1

/// Turns the first request of a connection into a WebSocket, where ``FirstRequestHandler`` has let it through as one.
///
/// NIO's own upgrader would add a frame encoder to the pipeline; sessions write ready frames and need none.
struct WebSocketUpgrader: NIOTypedHTTPServerProtocolUpgrader {
    typealias UpgradeResult = HTTPOutcome

    let acceptor: any WebSocketAcceptor

    let supportedProtocol = "websocket"
    /// None that NIO has to check: `WebSocketHandshake` checks them all.
    let requiredUpgradeHeaders: [String] = []

    func buildUpgradeResponse(
        channel: any Channel,
        upgradeRequest: HTTPRequestHead,
        initialResponseHeaders: HTTPHeaders
    ) -> EventLoopFuture<HTTPHeaders> {
        channel.eventLoop.makeCompletedFuture {
            var headers = initialResponseHeaders
            let handshake = WebSocketHandshake(upgradeRequest)
            headers.add(name: "Sec-WebSocket-Accept", value: try handshake.accept())
            if let subprotocol = handshake.subprotocol {
                headers.add(name: "Sec-WebSocket-Protocol", value: subprotocol.rawValue)
            }
            return headers
        }
    }

    func upgrade(channel: any Channel, upgradeRequest: HTTPRequestHead) -> EventLoopFuture<UpgradeResult> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let handler = try? pipeline.handler(type: FirstRequestHandler.self) {
                pipeline.removeHandler(handler, promise: nil)
            }
            // A client that closes its side is gone: a WebSocket has a closing handshake of its own.
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
            let subprotocol = WebSocketHandshake(upgradeRequest).subprotocol
            self.acceptor.acceptWebSocket(on: channel, speaking: subprotocol ?? .json)
            return .webSocket
        }
    }
}
