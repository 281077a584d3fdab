// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Logging
internal import NIOCore
internal import NIOWebSocket
internal import Observability

/// The handlers of a WebSocket: NIO's decoder of frames, and the session, which writes ready bytes.
enum SessionPipeline {
    /// Adds the handlers. Call on the channel's event loop.
    static func add(
        to channel: any Channel,
        speaking subprotocol: ClientSubprotocol = .json,
        loop: SessionLoop,
        services: SessionServices,
        logger: Logger
    ) {
        let isWithinBound = services.connectionBegan()
        do {
            let high = services.settings.unsentBytesMax
            let mark = ChannelOptions.Types.WriteBufferWaterMark(low: high / 2, high: high)
            try channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
            let decoder = WebSocketFrameDecoder(maxFrameSize: services.settings.messageBytesMax)
            let handler = SessionHandler(
                loop: loop,
                services: services,
                subprotocol: subprotocol,
                now: loop.eventLoop.now
            )
            try channel.pipeline.syncOperations.addHandlers([ByteToMessageHandler(decoder), handler])
            if !isWithinBound {
                handler.perform(.close(.overloaded))
                handler.flushIfNeeded()
            }
        } catch {
            // The connection ended while it became a WebSocket.
            services.connectionEnded()
            logger.debug("A WebSocket could not be set up", metadata: .keys([.reason: "\(error)"]))
            channel.close(promise: nil)
        }
    }
}
