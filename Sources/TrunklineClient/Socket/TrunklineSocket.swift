// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore
internal import NIOPosix
internal import NIOWebSocket

/// One WebSocket to one edge: connects, authenticates, sends commands, and hands on what comes, until it is closed.
///
/// Belongs to one event loop: every method is called there, and every event arrives there. Nothing is allocated per
/// command but its bytes; what is written in one turn of the loop goes out with one write.
package final class TrunklineSocket {
    private enum State {
        case idle
        /// With the channel once there is one.
        case connecting((any Channel)?)
        case authenticating((any Channel), command: UInt64)
        case open(any Channel)
        case closing(any Channel, SocketClosure)
        case closed
    }

    package let edge: EdgeAddress
    package let eventLoop: any EventLoop
    private let settings: Settings
    private let onEvent: (Event) -> Void
    private var state = State.idle
    private var credentials: ClientCommand.Authenticate?
    private var assembler: FrameAssembler
    /// What is spoken; known once the edge agreed to a WebSocket.
    package private(set) var subprotocol = ClientSubprotocol.json
    private let seenFrames: SeenFramesHandler?
    private var outstanding: Set<UInt64> = []
    private var performed: Set<UInt64> = []
    private var outstandingMax: Int
    /// Bytes of one message that the edge takes; known once the session is open.
    package private(set) var frameBytesMax = 0
    private var nextCommand: UInt64 = 1
    private var unsent = ByteBuffer()
    private var flushIsScheduled = false
    private var openTimeout: Scheduled<Void>?
    private var turns = 0
    /// The command that shows a fresh token.
    private var prolonging: UInt64?
    /// When bytes last came.
    package private(set) var lastHeard: NIODeadline

    /// - Parameters:
    ///   - seenFrames: Of the connections of this event loop; messages found there come to `onSeen` and not as events:
    ///     the first, and how many there are, each the `next` of the one before.
    ///   - onEvent: Called on `eventLoop`, never from within a method of this type other than through a turn of
    ///     the loop, except ``close()``.
    package init(
        edge: EdgeAddress,
        eventLoop: any EventLoop,
        settings: Settings,
        seenFrames: SeenFrames? = nil,
        onSeen: @escaping (SeenFrames.Frame, Int) -> Void = { _, _ in },
        onEvent: @escaping (Event) -> Void
    ) {
        self.edge = edge
        self.eventLoop = eventLoop
        self.settings = settings
        self.onEvent = onEvent
        self.assembler = FrameAssembler(messageBytesMax: settings.messageBytesMax)
        self.outstandingMax = settings.outstandingCommandsMax
        self.lastHeard = .now()
        self.seenFrames = seenFrames.map { SeenFramesHandler($0) }
        self.seenFrames?.receive = { [weak self] first, count in
            guard let self, self.isOpen else { return }
            self.lastHeard = .now()
            onSeen(first, count)
        }
    }

    package var isOpen: Bool {
        if case .open = self.state { true } else { false }
    }

    /// Whether ``send(_:)`` would take a command now.
    package var hasRoom: Bool {
        self.outstanding.count < self.outstandingMax && self.unsent.readableBytes < self.settings.unsentBytesMax
    }

    // MARK: - Opening

    /// Connects and authenticates; call once.
    ///
    /// - Parameter sync: live events wait until ``sync(_:cursorsPerPart:)`` has brought the device up to date.
    package func open(token: String, device: DeviceID, sync: Bool = false) {
        self.eventLoop.preconditionInEventLoop()
        guard case .idle = self.state else { return }
        self.state = .connecting(nil)
        self.credentials = ClientCommand.Authenticate(token: token, deviceID: device, sync: sync)
        self.openTimeout = self.eventLoop.assumeIsolated().scheduleTask(in: self.settings.openTimeout) {
            self.fail(.timedOut, "The edge did not open the session in time.")
        }
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        let (edge, trust) = (self.edge, self.settings.trust)
        let upgrade = WebSocketUpgrade(
            frameBytesMax: self.settings.messageBytesMax,
            offers: self.settings.subprotocol.offers
        ) { channel, subprotocol in
            bound.value.agreed(subprotocol)
            try bound.value.addSeenFrames(channel)
            try channel.pipeline.syncOperations.addHandler(SocketChannelHandler(bound.value))
        } onRefusal: { head in
            bound.value.upgradeRefused(head)
        }
        ClientBootstrap(group: self.eventLoop)
            .connectTimeout(self.settings.openTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    bound.value.connected(channel)
                    try trust.secure(channel, to: edge)
                    let upgraded = try upgrade.configure(channel, edge: edge)
                    upgraded.whenFailure { error in
                        bound.value.upgradeFailed(error)
                        channel.close(promise: nil)
                    }
                }
            }
            .connect(host: edge.host, port: edge.port)
            .assumeIsolated()
            .whenFailure { error in
                self.fail(.notConnected, "No connection was made: \(error)")
            }
    }

    private func connected(_ channel: any Channel) {
        guard case .connecting = self.state else {
            channel.close(promise: nil)
            return
        }
        self.state = .connecting(channel)
        // The frames' handler may come to its place when the end is over, and then hears nothing of it.
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.becameInactive() }
    }

    private func addSeenFrames(_ channel: any Channel) throws {
        guard let seenFrames = self.seenFrames else { return }
        let position = try self.edge.positionOfPlainBytes(in: channel)
        try channel.pipeline.syncOperations.addHandler(seenFrames, position: position)
    }

    private func agreed(_ subprotocol: ClientSubprotocol) {
        self.subprotocol = subprotocol
        self.assembler = FrameAssembler(messageBytesMax: self.settings.messageBytesMax, subprotocol: subprotocol)
    }

    /// The pipeline decodes frames from now on.
    func upgraded(_ channel: any Channel) {
        guard case .connecting = self.state else {
            channel.close(promise: nil)
            return
        }
        self.sendCredentials(channel)
    }

    private func sendCredentials(_ channel: any Channel) {
        guard let credentials = self.credentials else { return }
        let command = self.takeCommandID()
        self.state = .authenticating(channel, command: command)
        self.write(.authenticate(credentials), id: command)
    }

    private func waits(for failure: Failure) -> Bool {
        guard failure.code == .rateLimited, let wait = failure.retryAfterMilliseconds else { return false }
        return self.turns < self.settings.turnsMax && .milliseconds(Int64(wait)) <= self.settings.turnWaitMax
    }

    /// The edge has too many that begin: it gave this client a turn, and keeps the connection until then.
    private func waitForTurn(_ channel: any Channel, _ wait: TimeAmount) {
        self.turns += 1
        self.openTimeout?.cancel()
        self.openTimeout = self.eventLoop.assumeIsolated().scheduleTask(in: wait) {
            guard case .authenticating = self.state else { return }
            self.openTimeout = self.eventLoop.assumeIsolated().scheduleTask(in: self.settings.openTimeout) {
                self.fail(.timedOut, "The edge did not open the session in time.")
            }
            self.sendCredentials(channel)
        }
    }

    /// Shows a fresh token of the same device, so that the session outlives the one that it began with.
    package func authenticate(token: String) {
        guard case .open = self.state, self.prolonging == nil, let device = self.credentials?.deviceID else { return }
        let command = self.takeCommandID()
        self.prolonging = command
        let fields = ClientCommand.Authenticate(token: token, deviceID: device)
        self.write(.authenticate(fields), id: command)
    }

    // MARK: - Commands

    /// Sends a message. Returns the id that its answer carries, or nil when the session is not open or
    /// ``Settings/outstandingCommandsMax`` commands wait for their answer.
    package func send(_ request: SendMessageRequest) -> UInt64? {
        guard case .open = self.state, self.hasRoom else { return nil }
        let command = self.takeCommandID()
        self.outstanding.insert(command)
        self.write(.sendMessage(request), id: command)
        return command
    }

    /// Sends a receipt. Returns the id that its answer carries, or nil as ``send(_:)`` does.
    package func send(_ receipt: ReceiptRequest, isRead: Bool) -> UInt64? {
        guard case .open = self.state, self.hasRoom else { return nil }
        let command = self.takeCommandID()
        self.outstanding.insert(command)
        let fields: ClientCommand = isRead ? .messageRead(receipt) : .messageDelivered(receipt)
        self.write(fields, id: command)
        return command
    }

    /// Asks for what was missed. Returns the id that the answer carries, or nil as ``send(_:)`` does.
    ///
    /// - Parameter cursorsPerPart: so that each part fits ``frameBytesMax``.
    package func sync(_ request: SyncRequest, cursorsPerPart: Int) -> UInt64? {
        guard case .open = self.state, self.hasRoom else { return nil }
        let command = self.takeCommandID()
        self.outstanding.insert(command)
        var rest = Array(request.cursors)[...]
        repeat {
            let part = rest.prefix(max(1, cursorsPerPart))
            rest = rest.dropFirst(part.count)
            let isLast = rest.isEmpty
            let cursors = Dictionary(uniqueKeysWithValues: part.map { ($0.key, $0.value) })
            let fields = SyncRequest(
                cursors: cursors,
                states: request.states.filter { cursors[$0.key] != nil },
                wantsReceipts: isLast && request.wantsReceipts,
                resume: isLast ? request.resume : nil,
                hasMore: !isLast
            )
            self.write(.sync(fields), id: command)
        } while !rest.isEmpty
        return command
    }

    /// Commands of ``perform(_:)`` that may wait for their answer; one that never has one counts for ever.
    package static let performedMax = 1024

    /// Sends a command about presence or typing; its answer, if it has one, comes as ``Event/other(_:)``. Returns nil
    /// when the session is not open or ``performedMax`` commands wait for their answer.
    package func perform(_ command: ClientCommand) -> UInt64? {
        guard case .open = self.state else { return nil }
        if case .setTyping = command {
            // An error to it is of no use to anybody.
        } else {
            guard self.performed.count < Self.performedMax else { return nil }
            self.performed.insert(self.nextCommand)
        }
        let id = self.takeCommandID()
        self.write(command, id: id)
        return id
    }

    /// Shows the edge that this client is alive, and brings an answer that moves ``lastHeard``.
    package func ping() {
        guard case .open = self.state else { return }
        self.write(.ping, id: self.takeCommandID())
    }

    /// Ends the session with a close frame.
    package func close() {
        self.finish(
            SocketClosure(error: TrunklineError(.sessionEnded, "This client closed."), advice: .giveUp),
            code: .normalClosure
        )
    }

    /// Ends the connection at once: it does not answer any more.
    package func abandon(_ code: TrunklineError.Code, _ message: String) {
        self.fail(code, message)
    }

    private func takeCommandID() -> UInt64 {
        defer { self.nextCommand += 1 }
        return self.nextCommand
    }

    private func write(_ command: ClientCommand, id: UInt64) {
        let message = CommandMessage(id: .number(id), command: command)
        switch self.subprotocol {
        case .json: self.write(.text, message.encoded())
        case .binary: self.write(.binary, Array(message.encodedBinary().readableBytesView))
        }
    }

    private func write(_ opcode: WebSocketOpcode, _ payload: [UInt8]) {
        MaskedFrame.append(
            opcode,
            payload,
            mask: UInt32.random(in: .min ... .max),
            to: &self.unsent
        )
        guard !self.flushIsScheduled else { return }
        self.flushIsScheduled = true
        self.eventLoop.assumeIsolated().execute {
            self.flushIsScheduled = false
            self.flush()
        }
    }

    private func flush() {
        guard let channel = self.channel, channel.isWritable, self.unsent.readableBytes > 0 else { return }
        let bytes = self.unsent
        self.unsent = ByteBuffer()
        channel.pipeline.syncOperations.writeAndFlush(NIOAny(bytes), promise: nil)
    }

    private var channel: (any Channel)? {
        switch self.state {
        case .idle, .closed: nil
        case .connecting(let channel): channel
        case .authenticating(let channel, _), .open(let channel), .closing(let channel, _): channel
        }
    }

    // MARK: - What comes

    func received(_ frame: WebSocketFrame) {
        self.lastHeard = .now()
        switch self.assembler.receive(frame) {
        case .message(let payload): self.receivedMessage(payload)
        case .ping(let payload): self.write(.pong, Array(payload.readableBytesView))
        case .pong, .incomplete: break
        case .close(let code, let reason): self.receivedClose(code, reason)
        case .violation(let what):
            self.violation("The edge sent \(what).")
        }
    }

    private func receivedMessage(_ payload: ByteBuffer) {
        do throws(Failure) {
            switch self.subprotocol {
            case .json:
                if let message = try ServerMessage.read(payload) { self.received(message) }
            case .binary:
                let messages = try ServerMessage.decode(binary: payload)
                if messages.count > 1 { self.seenFrames?.foundOthers() }
                for message in messages { self.received(message) }
            }
        } catch {
            self.violation("The edge sent what is not understood: \(error.message)")
        }
    }

    private func received(_ message: ServerMessage) {
        switch self.state {
        case .authenticating(let channel, let command): self.receivedOpening(message, channel, command)
        case .open: self.receivedOpen(message)
        case .idle, .connecting, .closing, .closed: break
        }
    }

    private func receivedOpening(_ message: ServerMessage, _ channel: any Channel, _ command: UInt64) {
        switch message {
        case .authenticated(.number(command), let fields):
            self.state = .open(channel)
            self.openTimeout?.cancel()
            self.frameBytesMax = fields.limits.frameBytes
            self.outstandingMax = max(1, min(self.settings.outstandingCommandsMax, fields.limits.inFlight))
            self.onEvent(.authenticated(fields))
        case .error(.number(command), let failure) where self.waits(for: failure):
            self.waitForTurn(channel, .milliseconds(Int64(failure.retryAfterMilliseconds ?? 0)))
            self.onEvent(.turnGiven(TrunklineError(failure)))
        case .error(_, let failure):
            self.finish(SocketClosure(refused: TrunklineError(failure)), code: .normalClosure)
        default:
            break
        }
    }

    private func receivedOpen(_ message: ServerMessage) {
        switch message {
        case .newMessage(let message):
            self.seenFrames?.decoded(message)
            self.onEvent(.message(message))
        case .authenticated(.number(let command), let fields):
            guard self.prolonging == command else { return }
            self.prolonging = nil
            self.onEvent(.prolonged(.success(fields)))
        case .error(.number(let command), let failure) where self.prolonging == command:
            self.prolonging = nil
            self.onEvent(.prolonged(.failure(failure)))
        case .messageSent(.number(let command), let fields):
            guard self.outstanding.remove(command) != nil else { return }
            self.onEvent(.sent(command, fields))
        case .receiptStored(.number(let command), let fields):
            guard self.outstanding.remove(command) != nil else { return }
            self.onEvent(.receiptStored(command, fields))
        case .presenceWatched(.number(let command), _), .statusSet(.number(let command), _):
            guard self.performed.remove(command) != nil else { return }
            self.onEvent(.other(message))
        case .error(.number(let command), _) where self.performed.contains(command):
            self.performed.remove(command)
            self.onEvent(.other(message))
        case .error(.number(let command), let failure):
            guard self.outstanding.remove(command) != nil else { return }
            self.onEvent(.refused(command, failure))
        case .pong(_, let resume):
            if let resume { self.onEvent(.resume(resume)) }
        case .syncMessages(let page):
            self.onEvent(.syncMessages(page))
        case .syncReceipts(let receipts):
            self.onEvent(.syncReceipts(receipts))
        case .synced(.number(let command), let fields):
            guard self.outstanding.remove(command) != nil else { return }
            self.onEvent(.synced(command, fields))
        case .error(nil, _), .conversationCreated, .conversationUpdated, .conversationDeleted, .memberAdded,
            .memberRemoved, .roleChanged, .messageDelivered, .messageRead, .userOnline, .userOffline, .typing, .resync,
            .reconnect:
            self.onEvent(.other(message))
        case .authenticated, .messageSent, .receiptStored, .synced, .presenceWatched, .statusSet, .error:
            break
        }
    }

    private func receivedClose(_ code: UInt16?, _ reason: String) {
        let closure: SocketClosure
        if case .closing(_, let own) = self.state {
            closure = own
        } else {
            closure = SocketClosure(code: code, reason: reason)
            self.write(.connectionClose, MaskedFrame.closePayload(code ?? 1000))
            self.flush()
        }
        self.end(closure)
    }

    func violation(_ message: String) {
        self.finish(
            SocketClosure(lost: TrunklineError(.protocolViolation, message)),
            code: .protocolError
        )
    }

    func becameInactive() {
        if case .closing(_, let closure) = self.state {
            self.end(closure)
        } else {
            self.fail(.connectionLost, "The edge ended the connection without a close frame.")
        }
    }

    func writabilityChanged() {
        self.flush()
    }

    // MARK: - The end

    /// Sends a close frame and waits for the answer, not for ever.
    private func finish(_ closure: SocketClosure, code: WebSocketErrorCode) {
        self.eventLoop.preconditionInEventLoop()
        switch self.state {
        case .authenticating(let channel, _), .open(let channel):
            self.write(.connectionClose, MaskedFrame.closePayload(UInt16(webSocketErrorCode: code)))
            self.state = .closing(channel, closure)
            self.openTimeout?.cancel()
            self.openTimeout = self.eventLoop.assumeIsolated().scheduleTask(in: self.settings.closeTimeout) {
                self.end(closure)
            }
        case .idle, .connecting:
            self.end(closure)
        case .closing, .closed:
            break
        }
    }

    func fail(_ code: TrunklineError.Code, _ message: String) {
        self.eventLoop.preconditionInEventLoop()
        if case .closing(_, let closure) = self.state {
            self.end(closure)
        } else {
            self.end(SocketClosure(lost: TrunklineError(code, message)))
        }
    }

    func end(_ closure: SocketClosure) {
        let channel = self.channel
        if case .closed = self.state { return }
        self.state = .closed
        self.openTimeout?.cancel()
        self.openTimeout = nil
        self.outstanding = []
        self.unsent = ByteBuffer()
        channel?.close(promise: nil)
        self.onEvent(.closed(closure))
    }
}

@available(*, unavailable)
extension TrunklineSocket: Sendable {}
