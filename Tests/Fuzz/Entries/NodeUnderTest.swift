// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import NIOEmbedded
import Synchronization
import Wire

@testable import Mesh

/// A router with both lanes of one dialling edge, on an event loop whose time stands still.
///
/// Watches what the router writes, that each request of its own gets one end, and that nothing of the link is left.
final class NodeUnderTest {
    private static let routerName = "router-1"
    private static let edge = PeerIdentity(name: "edge-1", incarnation: Incarnation(value: 5), role: .edge)

    private static let settings = {
        var settings = MeshSettings(cluster: "fuzz", secret: [1, 2, 3])
        settings.creditItems = 8
        settings.creditBytes = 64 * 1024
        settings.outboundQueueBytesMax = 256 * 1024
        settings.outboundQueueFramesMax = 64
        settings.pendingRequestsMax = 16
        return settings
    }()

    private final class LaneEnd {
        let channel: EmbeddedChannel
        var handshake: Handshake
        var decoder = BlockDecoder()
        /// What the router said and the honest peer has not answered yet.
        var unread: [Frame] = []
        var hasBegun = false
        var hasProven = false
        var isRefused = false

        init(_ kind: LaneKind, loop: EmbeddedEventLoop) {
            self.channel = EmbeddedChannel(loop: loop)
            self.handshake = Handshake(
                configuration: Handshake.Configuration(
                    identity: NodeUnderTest.edge,
                    cluster: "fuzz",
                    secret: [1, 2, 3],
                    creditItems: 8,
                    creditBytes: 4096
                ),
                side: .dialler(peerName: NodeUnderTest.routerName, peerRole: .router, lane: kind, linkID: 9),
                nonce: [UInt8](repeating: 1, count: HelloFrame.nonceBytes)
            )
        }
    }

    private let loop = EmbeddedEventLoop()
    private let node: MeshNode
    private let delegate = HoldingDelegate()
    private let lanes: [LaneKind: LaneEnd]
    private let completed = Count()
    private var requested = 0
    private var bytesWritten = 0
    private var repliedBytes = 0

    init() throws {
        self.node = MeshNode(
            identity: PeerIdentity(name: Self.routerName, incarnation: Incarnation(value: 3), role: .router),
            settings: Self.settings,
            group: self.loop,
            delegate: self.delegate,
            logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        )
        self.lanes = [.control: LaneEnd(.control, loop: self.loop), .bulk: LaneEnd(.bulk, loop: self.loop)]
        for lane in self.lanes.values {
            try self.node.accept(lane.channel)
            try lane.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }
    }

    // MARK: - The peer

    /// What an honest dialler would say next.
    func shakeHandsHonestly(_ kind: LaneKind) throws {
        guard let lane = self.lanes[kind], lane.channel.isActive else { return }
        if !lane.hasBegun {
            lane.hasBegun = true
            try self.send(lane.handshake.connected(), kind)
        }
        let frames = lane.unread
        lane.unread = []
        for frame in frames {
            switch lane.handshake.received(frame) {
            case .send(let frames):
                if !frames.isEmpty { lane.hasProven = true }
                try self.send(frames, kind)
            case .established(_, let frames): try self.send(frames, kind)
            case .refuse, .refused: break
            }
        }
    }

    private func send(_ frames: [Frame], _ kind: LaneKind) throws {
        guard !frames.isEmpty else { return }
        var encoder = BlockEncoder()
        for frame in frames { encoder.append(frame) }
        try self.receive(Array(encoder.finish().buffer.readableBytesView), kind)
    }

    func receive(_ bytes: [UInt8], _ kind: LaneKind) throws {
        guard let lane = self.lanes[kind], lane.channel.isActive, !bytes.isEmpty else { return }
        try lane.channel.writeInbound(ByteBuffer(bytes: bytes))
        try self.settle()
    }

    func setWritable(_ isWritable: Bool, _ kind: LaneKind) {
        guard let lane = self.lanes[kind], lane.channel.isActive else { return }
        lane.channel.isWritable = isWritable
        lane.channel.pipeline.fireChannelWritabilityChanged()
    }

    func close(_ kind: LaneKind) throws {
        guard let lane = self.lanes[kind], lane.channel.isActive else { return }
        lane.channel.close(promise: nil)
        try self.settle()
    }

    // MARK: - The node

    func advance(_ time: TimeAmount) {
        self.loop.advanceTime(by: time)
    }

    func request(bytes: Int) {
        self.requested += 1
        self.node.request(
            kind: 1,
            slot: 0,
            epoch: 0,
            payload: ByteBuffer(repeating: 7, count: bytes),
            to: Self.edge.name,
            deadline: .now() + .seconds(60)
        ) { [completed] _ in completed.increment() }
        self.loop.run()
    }

    func notify(bytes: Int) {
        let payload = ByteBuffer(repeating: 7, count: bytes)
        _ = self.node.notify(kind: 1, payload: payload, to: Self.edge.name, class: .durable)
        self.loop.run()
    }

    func reply(bytes: Int) {
        guard let request = self.delegate.takeRequest() else { return }
        self.repliedBytes += bytes
        request.reply(status: 0, payload: ByteBuffer(repeating: 7, count: bytes))
        self.loop.run()
    }

    func dropRequests() {
        self.delegate.dropRequests()
        self.loop.run()
    }

    func leave() {
        self.node.link(to: Self.edge.name)?.leave(reason: "fuzz")
        self.loop.run()
    }

    /// Both connections end; nothing of the link must be left.
    func finish(inputBytes: Int) throws {
        try self.settle()
        for lane in self.lanes.values {
            _ = try? lane.channel.finish(acceptAlreadyClosed: true)
        }
        self.loop.advanceTime(by: .seconds(5))
        self.delegate.dropRequests()
        self.loop.run()
        let ends = self.completed.value
        try require(ends == self.requested, "\(self.requested) requests had \(ends) ends")
        try require(self.node.unlinked.load(ordering: .relaxed) == 0, "a connection is still counted")
        try require(self.node.peers.isEmpty, "a link is left")
        try require(self.delegate.ups == self.delegate.downs, "\(self.delegate.ups) up, \(self.delegate.downs) down")
        let counters = self.node.counters.snapshot()
        try require(counters.requestsPending == 0 && counters.linksUp == 0, "\(counters)")
        try require(counters.protocolErrors <= 1, "\(counters.protocolErrors) protocol errors of one link")
        let bound = 400 * inputBytes + self.repliedBytes + 4096
        try require(self.bytesWritten <= bound, "\(inputBytes) bytes are answered with \(self.bytesWritten)")
    }

    // MARK: - What is written

    private func settle() throws {
        self.loop.run()
        for lane in self.lanes.values {
            while let bytes = try lane.channel.readOutbound(as: ByteBuffer.self) {
                try require(!lane.isRefused, "something follows `refused`")
                self.bytesWritten += bytes.readableBytes
                lane.decoder.append(bytes)
                while var block = try lane.decoder.nextBlock() {
                    while let frame = try block.nextFrame() { try self.check(frame, lane) }
                }
            }
        }
    }

    private func check(_ frame: Frame, _ lane: LaneEnd) throws {
        switch frame {
        case .hello: break
        case .refused: lane.isRefused = true
        case .proof, .welcome, .heartbeat, .heartbeatAck, .credit, .goodbye, .request, .response, .notification:
            try require(lane.hasProven, "\(frame.name) for a stranger")
        }
        lane.unread.append(frame)
        if lane.unread.count > 16 { lane.unread.removeFirst() }
    }
}

private final class Count: Sendable {
    private let count = Atomic(0)

    var value: Int { self.count.load(ordering: .relaxed) }

    func increment() {
        self.count.wrappingAdd(1, ordering: .relaxed)
    }
}

/// Keeps requests until they are asked for, a few of them.
private final class HoldingDelegate: MeshDelegate {
    private struct State {
        var requests: [InboundRequest] = []
        var ups = 0
        var downs = 0
    }

    private let state = Mutex(State())

    var ups: Int { self.state.withLock { $0.ups } }
    var downs: Int { self.state.withLock { $0.downs } }

    func takeRequest() -> InboundRequest? {
        self.state.withLock { $0.requests.isEmpty ? nil : $0.requests.removeFirst() }
    }

    func dropRequests() {
        // Letting go of them calls back, so not under the lock.
        let dropped = self.state.withLock { state in
            defer { state.requests = [] }
            return state.requests
        }
        withExtendedLifetime(dropped) {}
    }

    func meshLinkUp(_ peer: PeerIdentity) {
        self.state.withLock { $0.ups += 1 }
    }

    func meshLinkDown(_ peer: PeerIdentity, reason: String) {
        self.state.withLock { $0.downs += 1 }
    }

    func meshRequest(_ request: InboundRequest) {
        self.state.withLock { $0.requests.append(request) }
    }

    func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity) {}

    func meshReadComplete(from peer: PeerIdentity) {}
}
