// SPDX-License-Identifier: Apache-2.0

internal import ClusterConfiguration
import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
internal import TransportSecurity

/// What a connection became with its first request.
enum HTTPOutcome: Sendable {
    case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
    /// The session has taken over; nothing is left to do here.
    case webSocket
}

/// An accepted connection of which it is not yet clear what it becomes.
struct HTTPConnection: ServerChildChannelValue {
    let channel: any Channel
    let outcome: EventLoopFuture<HTTPOutcome>
}

/// Sets up connections that serve REST and WebSocket on one port.
///
/// A connection that speaks HTTP has a task of Hummingbird's for as long as it lasts. One that becomes a WebSocket has
/// none: `handle` returns at once, and the session lives in the channel's handlers.
struct EdgeChildChannel: ServerChildChannel, HTTPChannelHandler {
    let responder: HTTPChannelHandler.Responder
    let settings: HTTPSettings
    let acceptor: any WebSocketAcceptor
    let admission: AdmissionControl

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTPConnection> {
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.socketOption(.so_keepalive), value: 1)
            try channel.holdNoReceiveBuffers()
            if let certificates = self.settings.certificates { try self.addTLS(certificates, to: channel) }
            let outcome = try self.addHandlers(to: channel) { try self.becomeHTTP($0) }
            return HTTPConnection(channel: channel, outcome: outcome)
        }
    }

    private func addTLS(_ certificates: LiveCertificates, to channel: any Channel) throws {
        try certificates.secureAccepted(channel)
        try channel.pipeline.syncOperations.addHandler(
            TLSGuard(certificates, timeout: TimeAmount(self.settings.readTimeout))
        )
    }

    /// Adds the handlers that wait for the first request and what it makes of the connection.
    ///
    /// - Parameter becomeHTTP: adds the others when it is not a WebSocket.
    func addHandlers(
        to channel: any Channel,
        becomeHTTP: @escaping @Sendable (any Channel) throws -> HTTPOutcome
    ) throws -> EventLoopFuture<HTTPOutcome> {
        var upgrade = NIOUpgradableHTTPServerPipelineConfiguration(
            upgradeConfiguration: NIOTypedHTTPServerUpgradeConfiguration(
                upgraders: [WebSocketUpgrader(acceptor: self.acceptor)],
                notUpgradingCompletionHandler: { channel in
                    channel.eventLoop.makeCompletedFuture { try becomeHTTP(channel) }
                }
            )
        )
        // NIOAsyncChannel takes pipelined requests one after the other, HTTPTypes validates fields, and problems
        // of the protocol are answered by the two handlers of this module.
        upgrade.enablePipelining = false
        upgrade.enableResponseHeaderValidation = false
        upgrade.enableErrorHandling = false
        upgrade.decoderConfiguration.maxHeaderFieldSize = self.settings.headerBytesMax
        upgrade.decoderConfiguration.maxHeaderListSize = self.settings.headerBytesMax
        upgrade.decoderConfiguration.maxHeaderFieldCount = self.settings.headerFieldsMax

        let pipeline = channel.pipeline.syncOperations
        let outcome = try pipeline.configureUpgradableHTTPServerPipeline(configuration: upgrade)
        let upgradeHandler = try pipeline.handler(type: NIOTypedHTTPServerUpgradeHandler<HTTPOutcome>.self)
        try pipeline.addHandler(
            FirstRequestHandler(
                settings: self.settings,
                acceptor: self.acceptor,
                door: ConnectionDoor(self.admission, peer: IPAddress(channel.remoteAddress))
            ),
            position: .before(upgradeHandler)
        )
        return outcome
    }

    func handle(value connection: HTTPConnection, logger: Logger) async {
        let outcome: HTTPOutcome
        do {
            outcome = try await connection.outcome.get()
        } catch {
            logger.trace("A connection ended before its first request", metadata: ["error": "\(error)"])
            connection.channel.close(promise: nil)
            return
        }
        switch outcome {
        case .http(let channel): await self.handleHTTP(asyncChannel: channel, logger: logger)
        case .webSocket: return
        }
    }

    private func becomeHTTP(_ channel: any Channel) throws -> HTTPOutcome {
        try self.addHTTPHandlers(to: channel)
        return .http(
            try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true)
            )
        )
    }

    /// The handlers between the decoder and whoever answers requests.
    func addHTTPHandlers(to channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let firstRequest = try pipeline.handler(type: FirstRequestHandler.self)
        pipeline.removeHandler(firstRequest, promise: nil)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: self.settings.certificates != nil))
        let limits = HTTPConnectionState.Limits(
            bodyBytesMax: self.settings.bodyBytesMax,
            readTimeout: TimeAmount(self.settings.readTimeout),
            responseTimeout: TimeAmount(self.settings.responseTimeout),
            idleTimeout: TimeAmount(self.settings.idleTimeout),
            lingerTimeout: TimeAmount(self.settings.lingerTimeout)
        )
        try pipeline.addHandler(HTTPConnectionHandler(limits: limits, now: .now()))
    }
}
