// SPDX-License-Identifier: Apache-2.0

import Messaging
import Redis

/// What the registry knew about some users at one moment.
///
/// Entries of lives that are over are still in it; the reader, who knows which edges live, leaves them out. A living
/// edge that is not in ``completeEdges`` may hold sessions that are missing here, and has to be asked in any case: that
/// is what keeps an emptied Redis from losing a delivery.
package struct AudienceSnapshot: Sendable, Equatable {
    /// Users without any entry are missing.
    package var sessions: [UserID: [RegisteredSession]] = [:]
    /// The edges, of those that were asked for, all of whose sessions are in the registry.
    package var completeEdges: Set<EdgeLife> = []
    /// Entries that could not be understood and were left out.
    package var malformedEntries = 0
    /// The life of the server that answered; empty when it does not tell.
    package var serverRunID = ""

    package init() {}
}

/// The commands that read an audience, and how their answers become a snapshot. Pure.
///
/// Each chunk of users is read in one transaction together with the markers. Read apart, Redis could be emptied and
/// filled again in between, and the markers would vouch for entries that had not been there yet. An edge counts as
/// complete when it was so in every chunk.
struct AudienceRead: Sendable {
    private let users: [UserID]
    private let edges: [String]

    init(users: [UserID], edges: [String]) throws(DirectoryError) {
        guard users.count <= DirectoryLimits.usersPerReadMax, edges.count <= DirectoryLimits.nodesMax else {
            throw DirectoryError(.tooLarge, "One read names too many users or edges.")
        }
        self.users = users
        self.edges = edges
    }

    private var chunks: [ArraySlice<UserID>] {
        let size = DirectoryLimits.usersPerTransactionMax
        return stride(from: 0, to: max(1, self.users.count), by: size).map {
            self.users[$0..<min($0 + size, self.users.count)]
        }
    }

    func commands(_ keys: DirectoryKeys) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        commands.reserveCapacity(self.users.count + 3)
        let markers = self.edges.map(keys.complete)
        for chunk in self.chunks {
            commands.append(RedisCommand("MULTI"))
            for user in chunk {
                commands.append(RedisCommand("HGETALL", keys.user(user)))
            }
            if !markers.isEmpty {
                commands.append(RedisCommand("MGET", markers))
            }
            commands.append(RedisCommand("EXEC"))
        }
        return commands
    }

    /// - Parameter serverRunID: Of the server that gave these answers. A marker from another life is not believed.
    func snapshot(_ replies: [RedisValue], serverRunID: String) throws(DirectoryError) -> AudienceSnapshot {
        var snapshot = AudienceSnapshot()
        snapshot.serverRunID = serverRunID
        var position = 0
        for (index, chunk) in self.chunks.enumerated() {
            let commandCount = chunk.count + (self.edges.isEmpty ? 0 : 1)
            position += commandCount + 2
            guard position <= replies.count else { throw DirectoryError.unexpected("a read of sessions") }
            if let text = replies[position - 1].errorText { throw DirectoryError(refusal: text) }
            guard let results = replies[position - 1].array, results.count == commandCount else {
                throw DirectoryError.unexpected("a read of sessions")
            }
            for (user, result) in zip(chunk, results) {
                Self.add(result, of: user, to: &snapshot)
            }
            let complete = self.completeEdges(results.last, serverRunID: serverRunID)
            snapshot.completeEdges = index == 0 ? complete : snapshot.completeEdges.intersection(complete)
        }
        return snapshot
    }

    /// A key that holds something else than a hash counts as one malformed entry.
    private static func add(_ result: RedisValue, of user: UserID, to snapshot: inout AudienceSnapshot) {
        guard let fields = result.array, fields.count.isMultiple(of: 2) else {
            snapshot.malformedEntries += 1
            return
        }
        var sessions: [RegisteredSession] = []
        for index in stride(from: 0, to: fields.count, by: 2) {
            guard let device = fields[index].text.flatMap({ DeviceID($0) }),
                let location = fields[index + 1].bytes.flatMap({ SessionLocation(stored: $0) })
            else {
                snapshot.malformedEntries += 1
                continue
            }
            sessions.append(RegisteredSession(device: device, location: location))
        }
        if !sessions.isEmpty {
            snapshot.sessions[user] = sessions
        }
    }

    private func completeEdges(_ reply: RedisValue?, serverRunID: String) -> Set<EdgeLife> {
        guard !self.edges.isEmpty, let markers = reply?.array else { return [] }
        var lives: Set<EdgeLife> = []
        for (edge, marker) in zip(self.edges, markers) {
            guard let text = marker.text, let marker = CompletenessMarker(stored: text),
                marker.serverRunID == serverRunID
            else { continue }
            lives.insert(EdgeLife(edge: edge, incarnation: marker.incarnation))
        }
        return lives
    }
}
