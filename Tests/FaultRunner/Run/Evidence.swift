// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import TestSupport

/// What the databases hold when a run has ended, read with SQL and not through the cluster.
struct Evidence: Sendable {
    let cluster: FaultyCluster
    let world: World

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    func fill(_ record: inout RunRecord) async throws {
        record.conversations = self.world.population.conversations.map { plan in
            ConversationRecord(number: plan.number, id: self.world.conversations[plan.number], stayers: plan.members)
        }
        for shard in self.cluster.shards {
            var facts = ShardRecord(name: shard.name)
            facts.unreplicated = shard.unreplicated
            try await self.readViews(shard, &facts)
            try await self.readWrites(shard, &facts)
            try await self.readMessages(shard, &record)
            try await self.readMembers(shard, &record)
            record.shards.append(facts)
        }
        record.hiddenUsers = Set(self.world.population.hiddenUsers)
        record.choosingUsers = Set(self.world.population.choosingUsers)
        try await self.fillPresence(&record)
    }

    /// What may still change when all messages have arrived, anew: receipts, and how users are to be seen.
    func refresh(_ record: inout RunRecord) async throws {
        for shard in self.cluster.shards { try await self.readMembers(shard, &record) }
        try await self.fillPresence(&record)
    }

    private func fillPresence(_ record: inout RunRecord) async throws {
        let population = self.world.population
        var truths = (0..<population.users).map { user in
            PresenceTruth(user: user, isConnected: !population.leavingUsers.contains(user))
        }
        for shard in self.cluster.shards {
            let rows = try await self.query(shard, "SELECT user_id, presence_status, presence_visibility FROM users")
            for row in rows {
                guard row.count == 3, let user = self.user(row[0]),
                    let status = UInt8(row[1]).flatMap({ ChosenStatus(rawValue: $0) }),
                    let visibility = UInt8(row[2]).flatMap({ PresenceVisibility(rawValue: $0) })
                else { continue }
                truths[user].settings = PresenceSettings(status: status, visibility: visibility)
            }
        }
        record.presence = truths
    }

    private func query(_ shard: ReplicatedShard, _ sql: String) async throws -> [[String]] {
        try await onThread { try shard.primary.query(sql, database: FaultyCluster.database) }
    }

    private func readViews(_ shard: ReplicatedShard, _ facts: inout ShardRecord) async throws {
        let rows = try await self.query(
            shard,
            "SELECT epoch, array_to_string(routers, ','), changed_by FROM run_views ORDER BY number"
        )
        facts.views = rows.compactMap { row in
            guard row.count == 3, let epoch = UInt64(row[0]) else { return nil }
            // NAME@INCARNATION; what was written down about writes has the name only.
            let routers = row[1].split(separator: ",").map { String($0.prefix { $0 != "@" }) }
            return ViewChange(epoch: epoch, routers: routers, changedBy: row[2])
        }
    }

    private func readWrites(_ shard: ReplicatedShard, _ facts: inout ShardRecord) async throws {
        let rows = try await self.query(
            shard,
            "SELECT conversation_id, epoch, router, first_seq, last_seq FROM run_writes ORDER BY number"
        )
        facts.writes = rows.compactMap { row in
            guard row.count == 5, let conversation = self.conversation(row[0]), let epoch = UInt64(row[1]),
                let first = UInt64(row[3]), let last = UInt64(row[4])
            else { return nil }
            // The application's name is that of the node, and which of its connections it is.
            let router = String(row[2].prefix { $0 != " " })
            return WriteTrace(conversation: conversation, epoch: epoch, router: router, firstSeq: first, lastSeq: last)
        }
    }

    private func readMessages(_ shard: ReplicatedShard, _ record: inout RunRecord) async throws {
        for row in try await self.query(
            shard,
            "SELECT conversation_id, seq, sender_id, client_message_id, body FROM messages ORDER BY conversation_id, seq"
        ) {
            guard row.count == 5, let conversation = self.conversation(row[0]), let seq = UInt64(row[1]),
                let id = ClientMessageID(row[3])
            else { throw Failure(description: "\(shard.name) holds a message of none of the conversations: \(row)") }
            record.conversations[conversation].shard = shard.name
            record.conversations[conversation].stored.append(
                StoredMessage(seq: seq, id: id, user: self.user(row[2]), isIntact: row[4] == MessageText.of(id))
            )
        }
        for row in try await self.query(
            shard,
            "SELECT conversation_id, seq, sender_id, client_message_id FROM message_ids"
        ) {
            guard row.count == 4, let conversation = self.conversation(row[0]), let seq = UInt64(row[1]),
                let id = ClientMessageID(row[3])
            else { throw Failure(description: "\(shard.name) remembers an id of none of the conversations: \(row)") }
            record.conversations[conversation].storedIDs.append(StoredID(seq: seq, id: id, user: self.user(row[2])))
        }
    }

    private static let members = "SELECT conversation_id, user_id, joined_seq, delivered_seq, read_seq FROM members"

    private func readMembers(_ shard: ReplicatedShard, _ record: inout RunRecord) async throws {
        for row in try await self.query(shard, Self.members) {
            guard row.count == 5, let conversation = self.conversation(row[0]), let user = self.user(row[1]),
                let seq = UInt64(row[2])
            else { continue }
            record.conversations[conversation].joinedSeqs[user] = seq
            guard let delivered = UInt64(row[3]), let read = UInt64(row[4]) else { continue }
            record.conversations[conversation].receipts[user] = Watermarks(delivered: delivered, read: read)
        }
    }

    private func conversation(_ text: String) -> Int? {
        ConversationID(text).flatMap { self.world.conversationNumbers[$0] }
    }

    private func user(_ text: String) -> Int? {
        UserID(text).flatMap { self.world.userNumbers[$0] }
    }
}
