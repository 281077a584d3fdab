// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Synchronization
import TestSupport

/// A shard as it is run in earnest: a primary and a replica that every commit waits for, at two fixed addresses that change
/// roles. Whoever connects names both and asks for the one that takes writes.
///
/// All calls block; one at a time, from any thread.
final class ReplicatedShard: Sendable {
    private struct Servers {
        var primary: PostgresServer
        var replica: PostgresServer?
        /// When the replica was surely away while commits waited for it.
        var unreplicated: [Wait] = []
        /// Where the primary is: an index into ``ports``.
        var place: Int
    }

    let name: String
    let ports: [UInt16]
    /// Nil for the disk of the system.
    private let diskMebibytes: Int?
    private let servers: Mutex<Servers>

    private static let settings = [
        "wal_retrieve_retry_interval=100ms", "wal_keep_size=64MB", "max_wal_size=64MB", "min_wal_size=32MB",
        // A standby that is gone is noticed by its connection; one that is silent after this.
        "wal_sender_timeout=5s", "wal_receiver_timeout=5s",
    ]

    /// - Parameter diskMebibytes: makes the data of both servers lie on disks that can be filled.
    init(name: String, ports: [UInt16], database: String, diskMebibytes: Int? = nil) throws {
        self.name = name
        self.ports = ports
        self.diskMebibytes = diskMebibytes
        let primary = try PostgresServer(
            port: ports[0],
            settings: Self.settings,
            disk: diskMebibytes.map { try SmallDisk(mebibytes: $0) }
        )
        try primary.createDatabase(database)
        self.servers = Mutex(Servers(primary: primary, replica: nil, place: 0))
        try self.buildReplica()
    }

    var primary: PostgresServer { self.servers.withLock { $0.primary } }
    /// An index into ``ports``.
    var primaryPlace: Int { self.servers.withLock { $0.place } }

    /// Whether every commit is on both servers before it is answered.
    func isReplicated() -> Bool {
        let query = """
            SELECT count(*) FROM pg_stat_replication
            WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')
            """
        return (try? self.primary.query(query, database: "postgres", timeoutSeconds: 2)) == [["1"]]
    }

    var unreplicated: [Wait] { self.servers.withLock { $0.unreplicated } }

    /// Takes the replica away; commits wait until it is back. Returns what brings it back.
    func stopReplica() throws -> @Sendable () throws -> Void {
        guard let replica = self.servers.withLock({ $0.replica }) else {
            throw PostgresServer.Failure("\(self.name) has no replica to stop")
        }
        try replica.stop(.immediate)
        let from = RunClock.now()
        return {
            let until = RunClock.now()
            self.servers.withLock { $0.unreplicated.append(Wait(from: from, until: until)) }
            try replica.start()
        }
    }

    /// Ends the primary for good and deletes its data: it can never be a primary again.
    func destroyPrimary() throws {
        try self.primary.stop(.immediate)
    }

    /// After ``destroyPrimary()``: the replica becomes the primary, alone for the time being.
    func promoteReplica() throws {
        let replica = self.servers.withLock { servers in
            defer { servers.replica = nil }
            return servers.replica
        }
        guard let replica else { throw PostgresServer.Failure("\(self.name) has no replica to promote") }
        try replica.promote()
        try Self.wait(forStandby: false, replica)
        // Here the old primary's object goes, and with it its data.
        self.servers.withLock { servers in
            servers.primary = replica
            servers.place = 1 - servers.place
        }
    }

    /// Copies the primary to the other address; from then on every commit waits for the copy.
    func buildReplica() throws {
        let (primary, place) = self.servers.withLock { ($0.primary, $0.place) }
        let replica = try PostgresServer(
            replicaOf: primary,
            named: "\(self.name)-standby",
            port: self.ports[1 - place],
            settings: Self.settings,
            disk: self.diskMebibytes.map { try SmallDisk(mebibytes: $0) }
        )
        try Self.wait(forStandby: true, primary)
        self.servers.withLock { $0.replica = replica }
    }

    private static func wait(forStandby isWanted: Bool, _ primary: PostgresServer) throws {
        try primary.run(
            sql: "ALTER SYSTEM SET synchronous_standby_names = '\(isWanted ? "ANY 1 (*)" : "")'",
            database: "postgres"
        )
        try primary.run(sql: "SELECT pg_reload_conf()", database: "postgres")
    }
}
