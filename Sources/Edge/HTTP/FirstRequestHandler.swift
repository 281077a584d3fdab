// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore
internal import NIOHTTP1

/// Guards a connection until its first request is there and it is clear what the connection becomes.
///
/// A connection that says nothing, or says it too slowly, is closed without an answer when the time is up; one that
/// speaks something else than HTTP gets the reason. A request for a WebSocket that cannot be granted is answered here,
/// and `Upgrade` is taken out of every other request that will not be upgraded: NIO's upgrade handler, which comes
/// next, loses the head of a request when no upgrader takes it. A connection that was one too many is told so as the
/// answer to its first request; it is not waited for as long as others, and when the time is up it is told all the same:
/// a client on a slow link has asked by the time that it reads this, and has to know when to come again. Sits after the
/// decoder; whoever configures what the connection becomes removes it. Confined to the channel's event loop.
final class FirstRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case waiting
        /// What follows is passed on untouched: in an upgrade it may be bytes and not parts of a request.
        case passing
        /// An answer was written that ends the connection. Nothing is passed on any more.
        case answered
    }

    private let timeout: TimeAmount
    private let acceptor: any WebSocketAcceptor
    private let door: ConnectionDoor
    private var state = State.waiting
    private var deadline: Scheduled<Void>?

    init(settings: HTTPSettings, acceptor: any WebSocketAcceptor, door: ConnectionDoor) {
        let isRefused = door.refusal != nil
        self.timeout = TimeAmount(isRefused ? min(settings.lingerTimeout, settings.readTimeout) : settings.readTimeout)
        self.acceptor = acceptor
        self.door = door
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.deadline = context.eventLoop.scheduleTask(in: self.timeout) {
            let (handler, context) = bound.value
            handler.timeIsUp(context)
        }
    }

    private func timeIsUp(_ context: ChannelHandlerContext) {
        if case .waiting = self.state, let refusal = self.door.refusal {
            self.answer(context, ProblemAnswer(refusal))
        } else {
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.deadline?.cancel()
        self.deadline = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.state {
        case .waiting:
            guard case .head(let head) = self.unwrapInboundIn(data) else {
                context.close(promise: nil)
                return
            }
            self.decide(context, head)
        case .passing: context.fireChannelRead(data)
        case .answered: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else {
            context.fireErrorCaught(error)
            return
        }
        self.answer(context, ProblemAnswer(error.failure))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    private func decide(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        if let refusal = self.door.refusal(of: head) {
            self.answer(context, ProblemAnswer(refusal))
            return
        }
        switch WebSocketHandshake.decision(on: head, hasRoom: self.acceptor.canAcceptSession) {
        case .upgrade:
            self.state = .passing
            context.fireChannelRead(self.wrapInboundOut(.head(head)))
        case .serve:
            self.state = .passing
            var head = head
            if head.headers.contains(name: "Upgrade") {
                head.headers.remove(name: "Upgrade")
                // The decoder reads nothing after such a request.
                head.headers.replaceOrAdd(name: "Connection", value: "close")
            }
            context.fireChannelRead(self.wrapInboundOut(.head(head)))
        case .refuse(let answer):
            self.answer(context, answer)
        }
    }

    /// Writes the answer and ends the connection once it is out.
    private func answer(_ context: ChannelHandlerContext, _ answer: ProblemAnswer) {
        guard self.state != .answered else { return }
        self.state = .answered
        context.write(self.wrapOutboundOut(.head(answer.head)), promise: nil)
        context.write(self.wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(.end(nil))).whenComplete { _ in
            bound.value.close(promise: nil)
        }
    }
}

@available(*, unavailable)
extension FirstRequestHandler: Sendable {}

extension HTTPParserError {
    /// What the client is told.
    var failure: Failure {
        self == .headerOverflow
            ? Failure(.tooLarge, "The head of the request is too large.")
            : Failure(.malformed, "This is not a request of HTTP/1.1.")
    }
}
