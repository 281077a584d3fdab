// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// A TCP proxy whose connections can be frozen, held back or cut, so that a peer's death and silence are those of a
/// network and not of a stub.
///
/// A frozen connection stays open and loses what is sent over it. One that is held back takes no more than the sockets'
/// buffers, and goes on without a loss.
final class Proxy: Sendable {
    /// Pairs in the order in which they were accepted: of a link the control lane comes first.
    private struct State {
        var pairs: [(near: any Channel, far: any Channel)] = []
        var isFrozen = false
        var isCut = false
    }

    private final class Forwarder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let proxy: Proxy
        private let other: any Channel

        init(_ proxy: Proxy, to other: any Channel) {
            self.proxy = proxy
            self.other = other
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if self.proxy.isFrozen { return }
            self.other.writeAndFlush(self.unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { self.other.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private let state = Mutex(State())
    private let listener = Mutex<(any Channel)?>(nil)

    private init() {}

    static func open(to target: SocketAddress) async throws -> (proxy: Proxy, address: SocketAddress) {
        let proxy = Proxy()
        let listener = try await ServerBootstrap(group: Cluster.group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.socketOption(.so_rcvbuf), value: 64 * 1024)
            .childChannelInitializer { near in proxy.accept(near, target) }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        proxy.listener.withLock { $0 = listener }
        guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
        return (proxy, address)
    }

    private func accept(_ near: any Channel, _ target: SocketAddress) -> EventLoopFuture<Void> {
        if self.state.withLock({ $0.isCut }) { return near.close() }
        return ClientBootstrap(group: near.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelInitializer { far in
                far.eventLoop.makeCompletedFuture {
                    try far.pipeline.syncOperations.addHandler(Forwarder(self, to: near))
                    try near.pipeline.syncOperations.addHandler(Forwarder(self, to: far))
                }
            }
            .connect(to: target)
            .flatMap { far in
                self.state.withLock { $0.pairs.append((near, far)) }
                return far.setOption(.autoRead, value: true).flatMap { near.setOption(.autoRead, value: true) }
            }
    }

    fileprivate var isFrozen: Bool { self.state.withLock { $0.isFrozen } }

    /// From now on everything is lost, in both directions.
    func freeze() { self.state.withLock { $0.isFrozen = true } }
    func thaw() { self.state.withLock { $0.isFrozen = false } }

    /// Stops or goes on reading what the dialling side sends over one connection.
    func hold(connection: Int, _ isHeld: Bool) {
        let near = self.state.withLock { $0.pairs[connection].near }
        near.setOption(.autoRead, value: !isHeld).whenFailure { _ in }
    }

    var connections: Int { self.state.withLock { $0.pairs.count } }

    /// Closes all connections; new ones are closed at once until ``mend()``.
    func cut() {
        let pairs = self.state.withLock { state in
            defer { state.pairs = [] }
            state.isCut = true
            return state.pairs
        }
        for pair in pairs {
            pair.near.close(promise: nil)
            pair.far.close(promise: nil)
        }
    }

    func mend() { self.state.withLock { $0.isCut = false } }

    func close() {
        self.cut()
        self.listener.withLock { $0 }?.close(promise: nil)
    }
}
