// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TestSupport

/// Redis as it is run in earnest: a primary and a replica, at two fixed addresses that change roles. Nodes name both.
///
/// Neither keeps anything on disk, so whoever starts is empty. All calls block; one at a time, from any thread.
final class ReplicatedRedis: Sendable {
    private struct Servers {
        var primary: RedisServer
        var replica: RedisServer
    }

    let ports: [UInt16]
    private let servers: Mutex<Servers>

    init(ports: [UInt16]) throws {
        self.ports = ports
        let primary = try RedisServer(port: ports[0])
        let replica = try RedisServer(port: ports[1])
        self.servers = Mutex(Servers(primary: primary, replica: replica))
        try Self.follow(primary, replica)
    }

    var primary: RedisServer { self.servers.withLock { $0.primary } }

    /// Kills the primary, and starts it again at once.
    func restartPrimary() throws {
        let (primary, replica) = self.servers.withLock { ($0.primary, $0.replica) }
        try primary.restart()
        try replica.catchUp(with: primary)
    }

    /// After the primary was killed, and nobody took its place.
    func startPrimary() throws {
        let (primary, replica) = self.servers.withLock { ($0.primary, $0.replica) }
        try primary.start()
        try replica.catchUp(with: primary)
    }

    /// After the primary was killed: the replica takes its place, alone for the time being.
    func promoteReplica() throws {
        let replica = self.servers.withLock { servers in
            swap(&servers.primary, &servers.replica)
            return servers.primary
        }
        try replica.promote()
    }

    /// After ``promoteReplica()``: the server that was killed comes back, as the replica.
    func startReplica() throws {
        let (primary, replica) = self.servers.withLock { ($0.primary, $0.replica) }
        try replica.start()
        try Self.follow(primary, replica)
    }

    /// The replica becomes the primary and the primary its replica. Nobody is told, and every connection stays.
    func swapRoles() throws {
        try self.promoteReplica()
        let (primary, replica) = self.servers.withLock { ($0.primary, $0.replica) }
        try Self.follow(primary, replica)
    }

    private static func follow(_ primary: RedisServer, _ replica: RedisServer) throws {
        try replica.follow(primary)
        try replica.catchUp(with: primary)
    }
}
