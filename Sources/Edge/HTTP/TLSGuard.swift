// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import TransportSecurity

/// Stands behind the TLS of a client's connection: ends one whose handshake takes too long, counts those that failed, and
/// keeps from the others what they have no use for. Confined to the channel's event loop.
///
/// A client that goes without saying so in TLS is an error to NIO. Here it is one that went, as without TLS: the end of the
/// connection, which follows, is all that the other handlers need to know.
final class TLSGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let certificates: LiveCertificates
    private let timeout: TimeAmount
    private var deadline: Scheduled<Void>?

    init(_ certificates: LiveCertificates, timeout: TimeAmount) {
        self.certificates = certificates
        self.timeout = timeout
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        self.deadline = context.eventLoop.scheduleTask(in: self.timeout) { bound.value.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.deadline?.cancel()
        self.deadline = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.deadline?.cancel()
        self.deadline = nil
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            self.deadline?.cancel()
            self.deadline = nil
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOSSLError.uncleanShutdown, NIOSSLError.shutdownFailed: break
        case NIOSSLError.handshakeFailed:
            self.certificates.countFailedHandshake()
            context.close(promise: nil)
        default: context.fireErrorCaught(error)
        }
    }
}

@available(*, unavailable)
extension TLSGuard: Sendable {}
