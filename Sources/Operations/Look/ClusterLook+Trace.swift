// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Messaging
import NIOCore
import Placement
import Storage
import Wire

extension ClusterLook {
    /// - Throws: `OperationsError` when there is no such message, or its shard cannot be asked.
    package func trace(_ id: MessageID) async throws(OperationsError) -> MessageTrace {
        let found = try await self.whereabouts()
        let slot = Slot(of: id.conversation.value)
        let shard = found.map.shard(of: slot)
        let stored = try await self.read(shard, found) { (session) throws(StorageError) -> Stored in
            Stored(
                glance: try session.glance(at: id, recipientsMax: MessageTrace.lookedMax),
                head: try session.glance(at: id.conversation)?.headSeq,
                outbox: try session.readOutbox(slots: [slot], after: 0, limit: ShardSession.outboxRowsMax)
            )
        }
        guard let glance = stored.glance else { throw Self.noMessage(id, head: stored.head, shard: shard) }
        var trace = MessageTrace(id, glance, in: try await self.owner(of: id.conversation, found))
        trace.listChanges = MessageTrace.ListChanges(stored.outbox, of: id.conversation)
        await self.addSessions(to: &trace, of: glance.furthestBehind.map(\.user))
        return trace
    }

    private struct Stored: Sendable {
        var glance: MessageGlance?
        /// Nil when there is no such conversation.
        var head: UInt64?
        var outbox: [OutboxRow]
    }

    private func addSessions(to trace: inout MessageTrace, of users: [UserID]) async {
        do throws(OperationsError) {
            let leases = try await self.leases()
            let edges = leases.filter { $0.role == .edge }.map(\.name)
            let cluster = self.settings.cluster
            let snapshot = try await self.withRedis { (connection) throws(DirectoryError) in
                try await SessionRegistry(connection: connection, cluster: cluster)
                    .locations(of: users, completenessOf: edges)
            }
            trace.add(snapshot, of: users, leases: leases)
        } catch {
            trace.unknown.append("where its recipients are: \(error.message)")
        }
    }

    private static func noMessage(_ id: MessageID, head: UInt64?, shard: String) -> OperationsError {
        guard let head else {
            return OperationsError(
                "there is no conversation \(id.conversation) on \(shard), where it would be",
                remedy: "see that the id is right: a message's is CONVERSATION.NUMBER",
                kind: .notFound
            )
        }
        guard id.seq <= head else {
            return OperationsError(
                "there is no message \(id.seq) in this conversation: its newest is \(head)",
                remedy: "see that the number is right",
                kind: .notFound
            )
        }
        return OperationsError(
            "message \(id.seq) of this conversation is not stored any more: its newest is \(head)",
            remedy: "see whether the part of the table that it was in has been dropped",
            kind: .notFound
        )
    }
}

extension MessageTrace.ListChanges {
    /// Of one conversation, among the entries of its slot. Pure.
    package init(_ rows: [OutboxRow], of conversation: ConversationID) {
        let waiting = rows.filter { row in
            guard row.entry.kind == OutboxKind.membership.rawValue,
                let change = try? Wire.MembershipChange(decoding: ByteBuffer(bytes: row.entry.payload))
            else { return false }
            return change.conversation == conversation
        }
        self.init(
            waiting: waiting.count,
            oldest: waiting.map(\.createdAt).min().map { UTCTime.precise($0) },
            isLowerBound: rows.count >= ShardSession.outboxRowsMax
        )
    }
}
