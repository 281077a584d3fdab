// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// Accepts connections and never sends a byte.
final class SilentServer: Sendable {
    let address: SocketAddress
    private let listener: any Channel
    private let count: Counter

    private final class Counter: Sendable {
        let value = Atomic(0)
    }

    private init(address: SocketAddress, listener: any Channel, count: Counter) {
        self.address = address
        self.listener = listener
        self.count = count
    }

    static func open() async throws -> SilentServer {
        let count = Counter()
        let listener = try await ServerBootstrap(group: Cluster.group)
            .childChannelInitializer { channel in
                count.value.add(1, ordering: .relaxed)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        guard let address = listener.localAddress else { throw ChannelError.unknownLocalAddress }
        return SilentServer(address: address, listener: listener, count: count)
    }

    var accepted: Int { self.count.value.load(ordering: .relaxed) }

    func close() { self.listener.close(promise: nil) }
}
