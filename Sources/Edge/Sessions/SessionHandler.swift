// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import NIOWebSocket
internal import Observability

/// Carries out a ``Session`` on one connection: frames in, ready bytes out. Confined to the channel's event loop.
///
/// An idle session has no timer, task or buffer of its own. While too much is unsent, nothing is read from the client
/// either, so its own answers cannot pile up.
final class SessionHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let id = SessionID.generate()
    /// The device while the session gets events.
    private(set) var device: DeviceID?
    /// The places of the events that this round of delivery has for the session.
    var offered: [Int] = []

    let loop: SessionLoop
    let services: SessionServices
    let subprotocol: ClientSubprotocol
    /// Nil for a client that does not use `sync`.
    var sync: SessionSync?
    var session: Session
    private var assembler: MessageAssembler
    var submits: SubmitPipeline?
    /// Receipts of the session that have no answer.
    var receiptsInFlight = 0
    private(set) var context: ChannelHandlerContext?
    /// That of the channel, which finds it by a detour.
    private var isWritable = true
    var typing: TypingThrottle?
    var isSettingStatus = false
    /// Users whose newest presence was not written, because too much was unsent; of those that the session watches.
    var missedPresence: Set<UserID>?
    private var hasEnded = false
    /// Nothing may follow a close frame (RFC 6455 §5.5.1), not even an answer that was on its way.
    private var hasWrittenClose = false
    private var needsFlush = false
    private var hasHeldRead = false
    /// When the session is closed that was asked to go.
    var leavesAt: NIODeadline?
    /// What was unsent at the last look, while reading is held.
    private var unsentBytes = Int.max

    init(loop: SessionLoop, services: SessionServices, subprotocol: ClientSubprotocol, now: NIODeadline) {
        self.loop = loop
        self.services = services
        self.subprotocol = subprotocol
        self.session = Session(settings: services.machine, now: now)
        self.assembler = MessageAssembler(messageBytesMax: services.settings.messageBytesMax, subprotocol: subprotocol)
    }

    var hasSubmits: Bool { self.submits != nil }
    var isClosing: Bool { self.session.isClosing }
    /// The owner while the session gets events.
    var openOwner: Session.Owner? { self.session.openOwner }

    var now: NIODeadline { self.loop.eventLoop.now }

    // MARK: - Lifecycle

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.isWritable = context.channel.isWritable
        self.loop.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.ended()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.ended()
        context.fireChannelInactive()
    }

    private func ended() {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        if !self.session.isClosing { self.services.metrics.disconnected() }
        if self.session.holdsTurn { self.services.admission.turnIsFree() }
        let owner = self.session.connectionClosed()
        self.loop.remove(self, of: owner?.user)
        self.device = nil
        self.sync = nil
        if let submits = self.submits {
            self.services.metrics.submitsInFlight.add(-Int64(submits.count))
            self.submits = nil
        }
        self.services.connectionEnded()
        if let owner {
            self.services.close(owner, self.id, on: self.loop.eventLoop)
        }
    }

    func tick(now: NIODeadline) {
        if self.hasHeldRead, let context = self.context {
            // Reading is held, so only what goes out can show that the client is there.
            let unsent = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? Int.max
            if unsent < self.unsentBytes { self.session.activityNoticed(now: now) }
            self.unsentBytes = unsent
        }
        switch self.session.tick(now: now) {
        case .none: break
        case .sendPing: self.write(ServerFrame.ping())
        case .tell(let message): self.send(message)
        case .sendClose(let code): self.writeClose(code)
        case .closeConnection: self.context?.close(promise: nil)
        }
        self.syncTicked(now: now)
        self.askForMissedPresence()
        self.leavingTicked(now: now)
        self.flushIfNeeded()
    }

    /// Ends the connection without a word.
    func cutOff() {
        self.context?.close(promise: nil)
    }

    // MARK: - From the client

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.session.activityNoticed(now: self.now)
        switch self.assembler.receive(self.unwrapInboundIn(data)) {
        case .message(let payload): self.messageReceived(payload)
        case .ping(let payload): if self.session.pingReceived(now: self.now) { self.write(ServerFrame.pong(payload)) }
        case .pong, .incomplete: break
        case .close(let code): self.closeReceived(code)
        case .violation(let code): self.failConnection(code)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.flushIfNeeded()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: self.failConnection(.messageTooBig)
        case is NIOWebSocketError: self.failConnection(.protocolError)
        // The decoder has given up, and the client sends on: the rest of a message over the bound, perhaps. It is passed
        // over like all that comes while the session is closing, so that the client gets to read the reason.
        case ByteToMessageDecoderError.dataReceivedInErrorState where self.session.isClosing: break
        default: context.close(promise: nil)
        }
        self.flushIfNeeded()
    }

    func carryOut(_ action: Session.CommandAction, id: CommandID?) {
        switch action {
        case .ignore: break
        case .answer(.pong(let id, _)): self.send(.pong(id, resume: self.resumeToken))
        case .answer(let message): self.send(message)
        case .answerAndClose(let message, let code):
            self.send(message)
            self.writeClose(code)
        case .checkToken(let fields):
            guard let id else { return }
            self.checkToken(fields, id: id)
        case .open(let owner): self.open(owner)
        case .prolonged(let owner):
            guard let id else { return }
            self.send(.authenticated(id, self.services.settings.authenticated(owner, self.id)))
        case .submit(let request, let owner):
            guard let id else { return }
            self.submit(request, owner: owner, id: id)
        case .receipt(let watermarks, let conversation, let owner):
            guard let id else { return }
            self.store(watermarks, in: conversation, owner: owner, id: id)
        case .sync(let request, let owner):
            guard let id else { return }
            self.syncReceived(request, owner: owner, id: id)
        case .presence(let command, let owner):
            guard let id else { return }
            self.presence(command, owner: owner, id: id)
        }
    }

    /// Whether one of the limits that sessions share lets a message through; says so when not.
    func admitSend(by owner: Session.Owner, id: CommandID) -> Bool {
        do throws(Failure) {
            try self.services.admission.admitSend(by: owner.user)
            return true
        } catch {
            self.session.sendRefused(error, now: self.now)
            self.send(.error(id, error))
            return false
        }
    }

    private func closeReceived(_ code: UInt16?) {
        switch self.session.closeReceived(now: self.now) {
        case .close:
            self.context?.close(promise: nil)
        case .answerAndClose:
            guard let context = self.context else { return }
            self.services.metrics.closed(.normal)
            self.needsFlush = false
            self.hasWrittenClose = true
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            context.writeAndFlush(self.wrapOutboundOut(ServerFrame.close(echoing: code))).whenComplete { _ in
                bound.value.close(promise: nil)
            }
        }
    }

    // MARK: - Authentication

    private func checkToken(_ fields: ClientCommand.Authenticate, id: CommandID) {
        let (now, admission) = (self.now, self.services.admission)
        let begins = self.session.openOwner == nil
        if self.session.needsTurn {
            // Before the token is looked at: the turn is for everything that a session's beginning costs.
            switch admission.turnToAuthenticate() {
            case .now: break
            case .later(let wait, let failure):
                return self.carryOut(self.session.admissionDeferred(id, by: wait, failure, now: now), id: id)
            case .never(let failure):
                return self.carryOut(self.session.admissionRefused(id, failure, now: now), id: id)
            }
        }
        let owner: Session.Owner
        do throws(Failure) {
            owner = try self.services.verify(fields)
        } catch {
            // With the turn of nobody who is anybody others could be kept out.
            if begins, !self.session.holdsTurn { admission.turnIsFree() }
            return self.carryOut(self.session.tokenRefused(id, error, now: now), id: id)
        }
        if begins, fields.sync == true { self.sync = SessionSync() }
        let end = now + .milliseconds(owner.millisecondsLeft(at: WallClock.now()))
        self.carryOut(self.session.tokenAccepted(id, owner, until: end, now: now), id: id)
    }

    private func open(_ owner: Session.Owner) {
        let (loop, session) = (self.loop, self.id)
        self.services.open(owner, session, loop: loop.number, on: loop.eventLoop) { outcome in
            loop.post(.opened(outcome), to: session)
        }
    }

    private func openingEnded(_ outcome: SessionOpener.Outcome) {
        switch outcome {
        case .opened:
            guard case .open(let id, let owner) = self.session.opened() else { return }
            self.send(.authenticated(id, self.services.settings.authenticated(owner, self.id)))
            self.device = owner.device
            self.loop.opened(self, for: owner.user)
            self.syncOpened(owner)
        case .refused(let failure, let code):
            self.carryOut(self.session.openingRefused(failure, code, now: self.now), id: nil)
        case .superseded:
            self.close(.replaced)
        }
    }

    // MARK: - From other threads, and live events

    func perform(_ work: SessionLoop.Work) {
        switch work {
        case .attemptEnded(let ticket, let outcome): self.attemptEnded(ticket, outcome)
        case .opened(let outcome): self.openingEnded(outcome)
        case .receiptEnded(let id, let conversation, let result): self.receiptEnded(id, conversation, result)
        case .synced(let answer): self.syncAnswered(answer)
        case .close(let code): self.close(code)
        case .statusEnded(let message):
            self.isSettingStatus = false
            if self.session.openOwner != nil { self.send(message) }
        case .send(let message): if self.session.openOwner != nil { self.send(message) }
        case .presenceAgain(let frames): self.write(presence: frames)
        }
    }

    /// Notes events of this round, by their places in it; ``takeOffered()`` follows.
    func offer(_ places: [Int]) {
        guard let last = self.offered.last, let first = places.first else { return self.offered = places }
        self.offered += places
        if first < last { self.offered.sort() }
    }

    func takeOffered() -> [Int] {
        defer { self.offered = [] }
        return self.offered
    }

    /// Writes the events of a round that are for the session, those that there is room for, and flushes. Returns how many
    /// were written.
    ///
    /// - Parameters:
    ///   - buffers: the events, joined; nil when one of them is not there in the session's protocol.
    ///   - places: of the events in the round.
    func writeAndFlush(_ buffers: [ByteBuffer]?, _ places: [Int], _ deliveries: [SessionLoop.Delivery]) -> Int {
        guard self.session.isOpen, !self.hasWrittenClose else { return 0 }
        if let sync = self.sync, sync.looksAtEvents {
            let written = places.count { self.writeLive(deliveries[$0], sync) }
            self.flushIfNeeded()
            return written
        }
        guard let buffers else {
            self.services.metrics.deliveriesSkipped.increment(by: UInt64(places.count))
            self.eventsWereDropped()
            return 0
        }
        for buffer in buffers {
            // Only what the socket does not take counts as unsent.
            if !self.isWritable { self.flushIfNeeded() }
            guard !self.session.isBehind, self.isWritable else {
                self.session.eventLeftOut()
                self.services.metrics.deliveriesSkipped.increment(by: UInt64(places.count))
                self.flushIfNeeded()
                return 0
            }
            self.write(buffer)
        }
        self.flushIfNeeded()
        return places.count
    }

    /// Writes an event that may be dropped, unless more than a quarter of what may be unsent is, so that it is never in
    /// the way of a live event. No `resync` is due for it when it is dropped.
    func writeEphemeral(_ frames: EventFrames) -> Bool {
        guard let context = self.context, self.session.openOwner != nil, !self.session.isBehind,
            let frame = frames[self.subprotocol]
        else { return false }
        let bound = self.services.settings.unsentBytesMax / 4
        func unsent() -> Int { (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }
        if unsent() > bound { self.flushIfNeeded() }
        guard context.channel.isWritable, unsent() <= bound else { return false }
        self.write(frame)
        return true
    }

    /// Events for this session were dropped on their way to it.
    func eventsWereDropped() {
        guard let context = self.context, self.session.openOwner != nil else { return }
        guard !(self.sync?.isAwaited ?? false) else { return }
        self.session.eventLeftOut()
        self.sync?.isCurrent = false
        guard context.channel.isWritable else { return }
        self.resyncIfBehind()
        self.flushIfNeeded()
    }

    /// Completes when what was written before was taken by the socket, or the connection is closed; which is done when
    /// the time is up.
    func settle(within limit: TimeAmount) -> EventLoopFuture<Void> {
        self.interruptSync()
        guard let context = self.context, context.channel.isActive else {
            return self.loop.eventLoop.makeSucceededVoidFuture()
        }
        let settled: EventLoopFuture<Void>
        if self.session.isClosing {
            // Nothing may follow a close frame.
            settled = context.channel.closeFuture
        } else {
            // A ping, because writes are reported in their order and this one says nothing to the client.
            settled = context.writeAndFlush(self.wrapOutboundOut(ServerFrame.ping()))
        }
        let channel = context.channel
        let cut = context.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
        settled.whenComplete { _ in cut.cancel() }
        return settled
    }

    // MARK: - To the client

    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            self.hasHeldRead = true
            self.unsentBytes = Int.max
            return
        }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        self.syncWritabilityChanged(context.channel.isWritable)
        if context.channel.isWritable {
            self.resyncIfBehind()
            self.askForMissedPresence()
            self.flushIfNeeded()
            if self.hasHeldRead {
                self.hasHeldRead = false
                context.read()
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func resyncIfBehind() {
        // A sync that is under way ends first.
        guard !(self.sync?.isRunning ?? false), self.session.becameWritable() else { return }
        self.services.metrics.resyncs.increment()
        self.send(.resync)
        self.sync?.await(until: self.now + SessionSync.patience)
    }

    func send(_ message: ServerMessage) {
        if case .error(_, let failure) = message { self.services.metrics.error(failure.code) }
        self.write(ServerFrame.message(message, in: self.subprotocol))
    }

    func write(_ bytes: ByteBuffer) {
        guard let context = self.context, !self.hasWrittenClose else { return }
        context.write(self.wrapOutboundOut(bytes), promise: nil)
        self.needsFlush = true
    }

    func flushIfNeeded() {
        guard self.needsFlush else { return }
        self.needsFlush = false
        self.context?.flush()
    }

    /// Ends the session with a reason.
    func close(_ code: CloseCode) {
        guard self.session.closeRequested(now: self.now) else { return }
        self.writeClose(code)
    }

    /// Ends the session because of frames that are not as they have to be (RFC 6455 §7.1.7). Nothing more is to be
    /// understood from this client, a close frame least of all, so the sending side is closed at once behind the reason.
    private func failConnection(_ code: CloseCode) {
        guard self.session.closeRequested(now: self.now) else { return }
        self.writeClose(code)
        self.flushIfNeeded()
        self.context?.close(mode: .output, promise: nil)
    }

    private func writeClose(_ code: CloseCode) {
        self.services.metrics.closed(code)
        self.device = nil
        self.write(ServerFrame.close(code))
        self.hasWrittenClose = true
        // Reading goes on, to find the client's close frame and to keep the reason from being destroyed unread.
        if self.hasHeldRead {
            self.hasHeldRead = false
            self.context?.read()
        }
    }
}

@available(*, unavailable)
extension SessionHandler: Sendable {}
