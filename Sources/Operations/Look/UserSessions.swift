// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import Placement
import Storage

/// `trunkline sessions`: where a user is connected, as the registry has it.
package struct UserSessions: Encodable, Sendable, Equatable {
    package struct Session: Encodable, Sendable, Equatable {
        var device: String
        /// As the device called itself; nil when it is not known.
        var name: String?
        var type: String?
        var edge: String
        var incarnation: String
        var session: String
        var since: String?
        /// Whether that life of the edge lives; without, the entry is left over and means nothing.
        var isLive: Bool
    }

    package var user: String
    package var username: String
    package var devices: Int
    package var sessions: [Session]
    /// Living edges that do not vouch at this moment for all their sessions being here.
    package var incompleteEdges: [String]

    /// Pure.
    package init(
        _ user: UserID,
        _ glance: UserGlance,
        _ snapshot: AudienceSnapshot,
        leases: [NodeLease]
    ) {
        let lives = Set(leases.filter { $0.role == .edge }.map { EdgeLife(edge: $0.name, incarnation: $0.incarnation) })
        self.user = "\(user)"
        self.username = glance.username
        self.devices = glance.devices.count { !$0.isRevoked }
        let found = (snapshot.sessions[user] ?? []).sorted { $0.device < $1.device }
        self.sessions = found.map { entry in
            let device = glance.devices.first { $0.id == entry.device }
            return Session(
                device: "\(entry.device)",
                name: device?.name,
                type: device?.type,
                edge: entry.location.edge,
                incarnation: "\(entry.location.incarnation)",
                session: "\(entry.location.session)",
                since: entry.location.session.timestamp.map { UTCTime.text(of: $0) },
                isLive: lives.contains(entry.location.life)
            )
        }
        self.incompleteEdges = lives.subtracting(snapshot.completeEdges).map(\.edge).sorted()
    }

    package func text() -> String {
        let live = self.sessions.count(where: \.isLive)
        var text =
            "\(self.username) (\(self.user)): \(counted(live, "session")), \(counted(self.devices, "device"))\n"
        if !self.sessions.isEmpty {
            var table = TextTable("DEVICE", "NAME", "TYPE", "EDGE", "SINCE", "STATE", "INCARNATION", "SESSION")
            for session in self.sessions {
                table.add(
                    session.device,
                    session.name ?? "-",
                    session.type ?? "-",
                    session.edge,
                    session.since ?? "-",
                    session.isLive ? "live" : "left over",
                    session.incarnation,
                    session.session
                )
            }
            text += "\n" + table.text() + "\n"
        }
        if !self.incompleteEdges.isEmpty {
            text +=
                "\nThere may be more: the registry is not complete for \(self.incompleteEdges.joined(separator: ", "))\n"
        }
        return text
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}

extension ClusterLook {
    /// - Parameter text: a username, or the id of a user.
    /// - Throws: `OperationsError` when there is no such user, or it cannot be found out.
    package func sessions(of text: String) async throws(OperationsError) -> UserSessions {
        let found = try await self.whereabouts()
        let user = try await self.user(text, found)
        let shard = found.map.shard(of: Slot(of: user.value))
        let glance = try await self.read(shard, found) { (session) throws(StorageError) in try session.glance(at: user)
        }
        guard let glance else {
            throw OperationsError(
                "there is no user \(text)",
                remedy: "see that the name or the id is right",
                kind: .notFound
            )
        }
        let leases = try await self.leases()
        let edges = leases.filter { $0.role == .edge }.map(\.name)
        let cluster = self.settings.cluster
        let snapshot = try await self.withRedis { (connection) throws(DirectoryError) in
            try await SessionRegistry(connection: connection, cluster: cluster)
                .locations(of: [user], completenessOf: edges)
        }
        return UserSessions(user, glance, snapshot, leases: leases)
    }

    private func user(_ text: String, _ found: Whereabouts) async throws(OperationsError) -> UserID {
        if let id = UserID(text) { return id }
        let shard = found.map.shard(of: Slot(ofName: text))
        let user = try await self.read(shard, found) { (session) throws(StorageError) in
            try session.resolveUsername(text)
        }
        guard let user else {
            throw OperationsError(
                "there is no user \(text)",
                remedy: "see that the name is right: capital letters count; or name the user's id",
                kind: .notFound
            )
        }
        return user
    }
}
