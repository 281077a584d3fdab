// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Wire

@testable import Mesh

/// A connection that sends whatever the test wants and keeps the frames that come back.
final class RawConnection: Sendable {
    private struct State {
        var frames: [Frame] = []
        var isClosed = false
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var decoder = BlockDecoder()
        private let owner: RawConnection

        init(_ owner: RawConnection) { self.owner = owner }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.decoder.append(self.unwrapInboundIn(data))
            do throws(WireError) {
                while var block = try self.decoder.nextBlock() {
                    while let frame = try block.nextFrame() {
                        self.owner.state.withLock { $0.frames.append(frame) }
                    }
                }
            } catch {
                context.close(promise: nil)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.owner.state.withLock { $0.isClosed = true }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    private let state = Mutex(State())
    private let channel = Mutex<(any Channel)?>(nil)

    static func open(_ address: SocketAddress) async throws -> RawConnection {
        let connection = RawConnection()
        let channel = try await ClientBootstrap(group: Cluster.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(connection))
                }
            }
            .connect(to: address)
            .get()
        connection.channel.withLock { $0 = channel }
        return connection
    }

    var frames: [Frame] { self.state.withLock { $0.frames } }
    var isClosed: Bool { self.state.withLock { $0.isClosed } }

    /// The refusal that the other side sent, if it did.
    var refusal: Refusal? {
        for case .refused(let refused) in self.frames {
            return Refusal(Refusal.Code(rawValue: refused.code) ?? .other, refused.message)
        }
        return nil
    }

    func send(_ buffer: ByteBuffer) {
        self.channel.withLock { $0 }?.writeAndFlush(buffer, promise: nil)
    }

    func send(_ frames: [Frame]) {
        var encoder = BlockEncoder(compression: .off)
        for frame in frames { encoder.append(frame) }
        self.send(encoder.finish().buffer)
    }

    func close() {
        self.channel.withLock { $0 }?.close(promise: nil)
    }

    /// Carries out the handshake as a dialler would.
    func shakeHands(_ handshake: Handshake) async throws -> LaneSession {
        var handshake = handshake
        self.send(handshake.connected())
        var next = 0
        while true {
            try await eventually("the next frame of the handshake") { self.frames.count > next || self.isClosed }
            guard self.frames.count > next else { throw Refusal(.other, "closed in the handshake") }
            let frame = self.frames[next]
            next += 1
            switch handshake.received(frame) {
            case .send(let frames): if !frames.isEmpty { self.send(frames) }
            case .established(let session, let frames):
                self.send(frames)
                return session
            case .refuse(let refusal), .refused(let refusal): throw refusal
            }
        }
    }
}

/// An edge made of two raw connections: a peer that has the secret, and then does what the test wants.
struct RawPeer {
    var control: RawConnection
    var bulk: RawConnection

    static func configuration(
        _ name: String,
        role: NodeRole = .edge,
        incarnation: Incarnation = .generate(),
        credit: Int = 1 << 20
    ) -> Handshake.Configuration {
        Handshake.Configuration(
            identity: PeerIdentity(name: name, incarnation: incarnation, role: role),
            cluster: "test",
            secret: Cluster.secret,
            creditItems: credit,
            creditBytes: 1 << 30
        )
    }

    static func link(
        to address: SocketAddress,
        configuration: Handshake.Configuration,
        node: String = "router"
    ) async throws -> RawPeer {
        let linkID = UInt64.random(in: 1...UInt64.max)
        var connections: [RawConnection] = []
        for lane in [LaneKind.control, .bulk] {
            let connection = try await RawConnection.open(address)
            let handshake = Handshake(
                configuration: configuration,
                side: .dialler(peerName: node, peerRole: .router, lane: lane, linkID: linkID),
                nonce: (0..<HelloFrame.nonceBytes).map { _ in UInt8.random(in: 0...UInt8.max) }
            )
            _ = try await connection.shakeHands(handshake)
            connections.append(connection)
        }
        return RawPeer(control: connections[0], bulk: connections[1])
    }

    /// Stays alive by itself: answers nothing, but sends heartbeats.
    func beat() {
        self.control.send([.heartbeat(HeartbeatFrame(time: 1))])
    }
}
