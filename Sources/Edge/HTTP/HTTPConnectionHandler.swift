// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// Carries out ``HTTPConnectionState`` on a connection that speaks HTTP. Confined to the channel's event loop.
///
/// One timer per connection, moved lazily: when it fires early it is set again.
final class HTTPConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: HTTPConnectionState.Limits
    private var state: HTTPConnectionState
    private var timer: Scheduled<Void>?
    private var timerDeadline = NIODeadline.distantFuture

    init(limits: HTTPConnectionState.Limits, now: NIODeadline) {
        self.limits = limits
        self.state = HTTPConnectionState(limits: limits, now: now)
    }

    // MARK: - Lifecycle

    func handlerAdded(context: ChannelHandlerContext) {
        self.setTimer(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.timer?.cancel()
        self.timer = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.timer?.cancel()
        self.timer = nil
        context.fireChannelInactive()
    }

    // MARK: - Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let action =
            switch self.unwrapInboundIn(data) {
            case .head(let head):
                self.state.headReceived(
                    declaredBodyBytes: head.headerFields[.contentLength].flatMap { Int($0) },
                    isLast: head.endsConnection,
                    now: .now()
                )
            case .body(let body):
                self.state.bodyReceived(count: body.readableBytes)
            case .end:
                self.state.endReceived(now: .now())
            }
        self.setTimer(context)
        switch action {
        case .forward: context.fireChannelRead(data)
        case .drop: break
        }
    }

    /// While nothing is forwarded, nobody downstream asks for more; a peer that is still sending must be read on, or
    /// the connection's end would destroy the answer on its way.
    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if self.state.isLingering {
            context.read()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch self.state.parserFailed(now: .now()) {
        case .answer:
            let answer = ProblemAnswer((error as? HTTPParserError ?? .unknown).failure)
            let head = HTTPResponse(
                status: .init(integerLiteral: Int(answer.head.status.code)),
                headerFields: HTTPFields(answer.head.headers, splitCookie: false)
            )
            context.write(self.wrapOutboundOut(.head(head)), promise: nil)
            context.write(self.wrapOutboundOut(.body(answer.body)), promise: nil)
            self.linger(context, after: context.writeAndFlush(self.wrapOutboundOut(.end(nil))))
        case .forward:
            // Whoever reads a body turns this type of error into an answer.
            context.fireErrorCaught(error is HTTPParserError ? error : HTTPParserError.unknown)
        case .none:
            break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            switch self.state.stopRequested() {
            case .close: context.close(promise: nil)
            case .none: break
            }
        case ChannelEvent.inputClosed where self.state.isLingering:
            context.close(promise: nil)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: - Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = self.unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        switch self.state.answerEnded(now: .now()) {
        case .none:
            context.write(data, promise: promise)
        case .linger:
            let written = promise ?? context.eventLoop.makePromise()
            self.linger(context, after: written.futureResult)
            context.writeAndFlush(data, promise: written)
        }
        self.setTimer(context)
    }

    private func linger(_ context: ChannelHandlerContext, after written: EventLoopFuture<Void>) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.whenComplete { _ in
            bound.value.close(mode: .output, promise: nil)
            bound.value.read()
        }
        self.setTimer(context)
    }

    // MARK: - Time

    private func setTimer(_ context: ChannelHandlerContext) {
        let deadline = self.state.deadline
        guard context.channel.isActive, self.timer == nil || deadline < self.timerDeadline else { return }
        self.timer?.cancel()
        self.timerDeadline = deadline
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleTask(deadline: deadline) {
            let (handler, context) = bound.value
            handler.timerFired(context)
        }
    }

    private func timerFired(_ context: ChannelHandlerContext) {
        self.timer = nil
        switch self.state.timerFired(now: .now()) {
        case .close: context.close(promise: nil)
        case .wait: self.setTimer(context)
        }
    }
}

@available(*, unavailable)
extension HTTPConnectionHandler: Sendable {}

extension HTTPRequest {
    /// Whether nothing can follow this request: it asks for that, or it wishes for another protocol, and NIO's decoder
    /// reads nothing after such a wish, granted or not.
    var endsConnection: Bool {
        self.headerFields[.upgrade] != nil
            || self.headerFields[values: .connection].contains { value in
                value.split(separator: ",").contains { $0.filter { !$0.isWhitespace }.lowercased() == "close" }
            }
    }
}
