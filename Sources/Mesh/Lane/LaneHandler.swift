// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOTLS
import TransportSecurity
import Wire

/// One connection, from its first byte to its last: handshake, then one lane of a link.
///
/// Parses straight from the read buffer. Confined to the event loop of its channel; others hold it as ``Lane``.
///
///     handshaking --> waiting for the other lane --> attached to a link --> closed
final class LaneHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where the lane reports to while it has no link.
    struct Reports: Sendable {
        /// The handshake is done. The lane stops reading until it is attached.
        var established: @Sendable (Lane, LaneSession) -> Void
        /// The lane was attached to a link, or closed before. Called once.
        var settled: @Sendable (_ isAttached: Bool) -> Void
        /// Either side refused the other.
        var refused: @Sendable (Refusal, _ byPeer: Bool) -> Void
    }

    private enum Phase {
        case handshaking(Handshake)
        case waiting(LaneSession)
        case attached(Link, LaneKind)
        case closed
    }

    /// Blocks before the handshake is done: small, and never compressed.
    private static let handshakeLimits = BlockDecoder.Limits(rawBytesMax: 4096, acceptsCompressed: false)

    let settings: MeshSettings
    let reports: Reports
    /// Nil when the connection was accepted.
    let dialled: MeshPeer?
    /// Until TLS is agreed nothing that is written leaves.
    private var awaitsTLS: Bool
    private var phase: Phase
    private var isSettled = false
    private var context: ChannelHandlerContext?
    private var decoder = BlockDecoder(limits: LaneHandler.handshakeLimits)
    /// Compresses nothing until the lane is attached, as the peer does not accept it before.
    private var encoder = BlockEncoder(compression: .off)
    private var connectedAt = NIODeadline.now()
    private var heartbeats: HeartbeatMonitor?
    private var timeout: Scheduled<Void>?
    private var timer: RepeatedTask?
    /// Requests or notifications were handed over since the last end of a read.
    private var handedOver = false

    init(handshake: Handshake, settings: MeshSettings, reports: Reports, dialled: MeshPeer? = nil) {
        self.phase = .handshaking(handshake)
        self.settings = settings
        self.reports = reports
        self.dialled = dialled
        self.awaitsTLS = settings.certificates != nil
    }

    // MARK: - Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.connected(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.close(reason: "connection closed")
        self.context = nil
    }

    func channelActive(context: ChannelHandlerContext) {
        self.connected(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.close(reason: "connection closed")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let explanation = self.settings.certificates?.explain(error, on: context.channel)
        if let explanation, case .handshaking = self.phase {
            self.securingFailed(context, explanation, byPeer: TLSFailure.isOfPeer(error))
        }
        self.close(reason: explanation ?? "connection failed: \(error)")
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent, case .handshaking(var handshake) = self.phase {
            self.awaitsTLS = false
            handshake.peerIsCertified(as: LiveCertificates.peers(of: context.channel))
            self.phase = .handshaking(handshake)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .closed = self.phase { return }
        if case .attached(let link, .bulk) = self.phase, let silence = link.outOfTouch(now: .now()) {
            // It was read late: the peer has given this link up, and what it said means nothing any more.
            let milliseconds = silence.nanoseconds / 1_000_000
            return link.down(reason: "the peer answered nothing that was sent in the last \(milliseconds) ms")
        }
        let bytes = self.unwrapInboundIn(data)
        if case .handshaking = self.phase, let refusal = self.refusal(ofTLS: bytes, context) {
            return self.refuse(refusal)
        }
        self.decoder.append(bytes)
        self.parse()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if self.handedOver, case .attached(let link, _) = self.phase {
            self.handedOver = false
            link.readComplete()
        }
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, case .attached(let link, .bulk) = self.phase {
            self.drain(link)
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: - Receiving

    private func parse() {
        do throws(WireError) {
            while self.isParsing, var block = try self.decoder.nextBlock() {
                var receipt = Receipt(block)
                while let frame = try block.nextFrame() {
                    receipt.frames += 1
                    self.received(frame, &receipt)
                    if case .closed = self.phase { return }
                }
                self.settle(receipt)
            }
        } catch {
            self.fail(error)
        }
    }

    /// Between the handshake and the link nothing is taken out of the decoder.
    private var isParsing: Bool {
        switch self.phase {
        case .handshaking, .attached: true
        case .waiting, .closed: false
        }
    }

    private func received(_ frame: Frame, _ receipt: inout Receipt) {
        switch self.phase {
        case .handshaking(var handshake):
            let action = handshake.received(frame)
            self.phase = .handshaking(handshake)
            self.run(action)
        case .waiting:
            self.refuse(Refusal(.malformed, "\(frame.name) in the block that ended the handshake"))
        case .attached(let link, .control):
            self.receivedOnControl(frame, link)
        case .attached(let link, .bulk):
            if link.received(frame, &receipt) { self.handedOver = true }
        case .closed:
            break
        }
    }

    private func receivedOnControl(_ frame: Frame, _ link: Link) {
        let now = NIODeadline.now()
        self.heartbeats?.received(now: now)
        switch frame {
        case .heartbeat(let heartbeat):
            // A peer that does not read gets no answers, so that they cannot pile up.
            if self.context?.channel.isWritable == true { self.write([.heartbeatAck(heartbeat)]) }
        case .heartbeatAck(let heartbeat):
            guard let time = self.heartbeats?.roundTrip(of: heartbeat.time, now: now) else { return }
            link.answered(sentAt: now - time, roundTrip: time)
        case .goodbye(let goodbye):
            link.down(reason: "goodbye: \(goodbye.reason)")
        case .refused(let refused):
            link.down(reason: "refused by the peer: \(refused.message)")
        case .hello, .proof, .welcome, .credit, .request, .response, .notification:
            self.fail(WireError(.malformedFrame, "\(frame.name) on the control lane"))
        }
    }

    private func settle(_ receipt: Receipt) {
        guard case .attached(let link, .bulk) = self.phase else { return }
        link.settle(receipt)
    }

    /// Ends the connection, and with it the link, because of what the peer sent.
    private func fail(_ error: WireError) {
        switch self.phase {
        case .handshaking, .waiting:
            self.refuse(Refusal(error.code == .futureVersion ? .unsupportedVersion : .malformed, error.description))
        case .attached(let link, _):
            link.fail(error)
            self.close(reason: "protocol error: \(error)")
        case .closed:
            break
        }
    }
}

// MARK: - Handshake

extension LaneHandler {
    private func connected(_ context: ChannelHandlerContext) {
        guard case .handshaking(var handshake) = self.phase, self.timeout == nil else { return }
        self.connectedAt = .now()
        let frames = handshake.connected()
        self.phase = .handshaking(handshake)
        self.timeout = context.eventLoop.assumeIsolated().scheduleTask(in: self.settings.handshakeTimeout) {
            self.refuse(Refusal(.timedOut, "the handshake took longer than \(self.settings.handshakeTimeout)"))
        }
        self.write(frames)
    }

    private func run(_ action: Handshake.Action) {
        switch action {
        case .send(let frames):
            self.write(frames)
        case .established(let session, let frames):
            self.write(frames)
            guard let context = self.context else { return }
            self.phase = .waiting(session)
            // What follows belongs to the link, which may still lack its other lane.
            context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
            self.reports.established(Lane(context: context, handler: self, connectedAt: self.connectedAt), session)
        case .refuse(let refusal):
            self.refuse(refusal)
        case .refused(let refusal):
            self.reports.refused(refusal, true)
            self.close(reason: "refused by the peer: \(refusal)")
        }
    }

    /// Tells the peer why, then closes. Does nothing once the lane is attached to a link.
    func refuse(_ refusal: Refusal) {
        switch self.phase {
        case .attached, .closed: return
        case .handshaking, .waiting: break
        }
        self.reports.refused(refusal, false)
        guard let context = self.context else { return }
        guard !self.awaitsTLS else { return self.close(reason: refusal.description) }
        self.encoder.append(.refused(RefusedFrame(code: refusal.code.rawValue, message: refusal.message)))
        let written = context.writeAndFlush(self.wrapOutboundOut(self.encoder.finish().buffer))
        self.ended(reason: refusal.description)
        let channel = context.channel
        written.whenComplete { _ in channel.close(promise: nil) }
    }

    /// The lane is one of a link from now on, and reads again.
    func attach(to link: Link, as kind: LaneKind) {
        guard case .waiting = self.phase, let context = self.context else {
            link.down(reason: "the \(kind) lane was closed during the handshake")
            return
        }
        self.phase = .attached(link, kind)
        self.timeout?.cancel()
        self.settled(isAttached: true)
        self.decoder.limits = .standard
        self.encoder = BlockEncoder(compression: self.settings.compression)
        switch kind {
        case .control:
            self.startHeartbeats(context, link)
        case .bulk:
            self.timer = context.eventLoop.scheduleRepeatedTask(
                initialDelay: MeshLimits.deadlineScanInterval,
                delay: MeshLimits.deadlineScanInterval
            ) { [weak link] _ in
                link?.expire(now: .now())
            }
        }
        self.parse()
        if self.handedOver {
            self.handedOver = false
            link.readComplete()
        }
        context.channel.setOption(.autoRead, value: true).whenFailure { _ in }
    }

    private func startHeartbeats(_ context: ChannelHandlerContext, _ link: Link) {
        let interval = self.settings.heartbeatInterval
        self.heartbeats = HeartbeatMonitor(interval: interval, silenceLimit: self.settings.silenceLimit, now: .now())
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        self.timer = context.eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { _ in
            bound.value.tick()
        }
    }

    private func tick() {
        guard case .attached(let link, _) = self.phase, let action = self.heartbeats?.tick(now: .now()) else { return }
        switch action {
        case .send(let time): self.write([.heartbeat(HeartbeatFrame(time: time))])
        case .silent(let silence):
            link.down(reason: "no sign of life for \(silence.nanoseconds / 1_000_000) ms")
        }
    }
}

// MARK: - Sending

extension LaneHandler {
    /// One block, at once.
    private func write(_ frames: [Frame]) {
        guard !frames.isEmpty, let context = self.context else { return }
        for frame in frames { self.encoder.append(frame) }
        context.writeAndFlush(self.wrapOutboundOut(self.encoder.finish().buffer), promise: nil)
    }

    /// Everything that the link may send: joined to blocks, flushed once. Stops when the socket takes no more, and goes
    /// on when it does.
    func drain(_ link: Link) {
        guard case .attached = self.phase, let context = self.context else { return }
        var dispatch = Dispatch()
        while context.channel.isWritable {
            let batch = link.takeBatch()
            guard !batch.frames.isEmpty else { break }
            self.encoder.reserve(rawBytes: batch.bytes)
            for frame in batch.frames {
                self.encoder.append(frame)
                dispatch.add(frame)
            }
            let block = self.encoder.finish()
            dispatch.add(block)
            context.write(self.wrapOutboundOut(block.buffer), promise: nil)
        }
        guard dispatch.blocks > 0 else { return }
        link.dispatched(dispatch)
        context.flush()
    }

    /// Sends what can be sent now, then the goodbye, on which the peer closes.
    func sayGoodbye(reason: String, _ link: Link) {
        self.drain(link)
        self.write([.goodbye(GoodbyeFrame(reason: reason))])
    }
}

// MARK: - Ending

extension LaneHandler {
    /// Closes the connection; the link, if there is one, goes down.
    func close(reason: String) {
        if case .closed = self.phase { return }
        let context = self.context
        self.ended(reason: reason)
        context?.close(promise: nil)
    }

    private func ended(reason: String) {
        let phase = self.phase
        self.phase = .closed
        self.timeout?.cancel()
        self.timer?.cancel()
        self.settled(isAttached: false)
        if case .attached(let link, _) = phase { link.down(reason: reason) }
    }

    private func settled(isAttached: Bool) {
        guard !self.isSettled else { return }
        self.isSettled = true
        self.reports.settled(isAttached)
    }
}

@available(*, unavailable)
extension LaneHandler: Sendable {}
