// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Storage

/// `trunkline trace`: the way of one message, as far as it is stored. Nothing in it is guessed, and what people wrote is
/// not in it.
///
/// When a device got or read a message is not stored, only how far each member has come (`Watermarks`); so times end with
/// the moment at which the message was taken.
package struct MessageTrace: Encodable, Sendable, Equatable {
    package struct Recipients: Encodable, Sendable, Equatable {
        /// Members of this moment who had joined before the message, without its sender. Who has left since is not stored.
        package var count: Int
        package var delivered: Int
        package var read: Int
        /// Those of ``looked`` who have a session; left out where the registry could not be asked.
        package var connected: Int?
        /// For how many the registry was asked: those who have come least far.
        package var looked: Int
        /// Where they are.
        package var edges: [AudienceCondition.Edge]
    }

    package struct Recipient: Encodable, Sendable, Equatable {
        package var user: String
        /// `sent`, `delivered` or `read`.
        package var status: String
        /// The numbers of the newest messages that reached them, and that they have read.
        package var deliveredSeq: UInt64
        package var readSeq: UInt64
        /// Where they have a session; left out where the registry could not be asked.
        package var edges: [String]?
    }

    /// Changes of who is a member that wait in the outbox until those users' lists are told; see `OutboxKind`.
    package struct ListChanges: Encodable, Sendable, Equatable {
        package var waiting: Int
        package var oldest: String?
        /// Whether there were more entries than were looked at.
        package var isLowerBound: Bool
    }

    /// The registry is asked for so many recipients.
    static let lookedMax = DirectoryLimits.usersPerReadMax
    /// So many are told one by one.
    package static let listedMax = 100

    package var message: String
    package var seq: UInt64
    package var conversation: ConversationOwner
    package var kind: String
    package var bodyBytes: Int
    package var sender: String
    package var senderDevice: String
    package var clientMessageId: String
    /// When the sender's device made that id, by its clock.
    package var clientTime: String?
    /// When the router that numbered it took it, by that machine's clock. It was acknowledged after the commit.
    package var acceptedAt: String
    /// Between these two; negative where the device's clock is ahead.
    package var millisecondsOnTheWay: Int64?
    package var table: String
    /// Whether sending it again is answered with its number; else the id is too old and refused.
    package var isClientIdKept: Bool
    package var recipients: Recipients
    /// Those who have come least far first.
    package var listed: [Recipient]
    package var listChanges: ListChanges?
    /// What could not be found out, and why.
    package var unknown: [String]

    /// Pure.
    package init(_ id: MessageID, _ glance: MessageGlance, in conversation: ConversationOwner) {
        self.message = "\(id)"
        self.seq = id.seq
        self.conversation = conversation
        self.kind = glance.kind.name
        self.bodyBytes = glance.bodyBytes
        self.sender = "\(glance.sender)"
        self.senderDevice = "\(glance.senderDevice)"
        self.clientMessageId = "\(glance.clientMessageID)"
        self.acceptedAt = UTCTime.precise(glance.createdAt)
        if let made = glance.clientMessageID.timestamp {
            self.clientTime = UTCTime.precise(made)
            self.millisecondsOnTheWay = Int64(clamping: glance.createdAt) - Int64(clamping: made)
        }
        self.table = glance.table
        self.isClientIdKept = glance.isIDKept
        self.recipients = Recipients(
            count: glance.recipients,
            delivered: glance.delivered,
            read: glance.read,
            looked: glance.furthestBehind.count,
            edges: []
        )
        self.listed = glance.furthestBehind.prefix(Self.listedMax).map { member in
            Recipient(
                user: "\(member.user)",
                status: member.watermarks.status(of: id.seq).name,
                deliveredSeq: member.watermarks.delivered,
                readSeq: member.watermarks.read
            )
        }
        self.unknown = conversation.unknown
        self.conversation.unknown = []
    }

    /// What the registry says of those who were looked for. Pure.
    ///
    /// - Parameter leases: a session of an edge's former life means nothing.
    package mutating func add(_ snapshot: AudienceSnapshot, of users: [UserID], leases: [NodeLease]) {
        let lives = Set(leases.filter { $0.role == .edge }.map { EdgeLife(edge: $0.name, incarnation: $0.incarnation) })
        var counts: [String: Int] = [:]
        var places: [String: [String]] = [:]
        for user in users {
            let found = (snapshot.sessions[user] ?? []).map(\.location.life).filter { lives.contains($0) }
            let edges = Set(found.map(\.edge)).sorted()
            places["\(user)"] = edges
            for edge in edges { counts[edge, default: 0] += 1 }
        }
        self.recipients.connected = places.values.count { !$0.isEmpty }
        self.recipients.edges = counts.sorted { $0.key < $1.key }.map { .init(edge: $0.key, users: $0.value) }
        for index in self.listed.indices { self.listed[index].edges = places[self.listed[index].user] ?? [] }
        let incomplete = lives.subtracting(snapshot.completeEdges).map(\.edge).sorted()
        if !incomplete.isEmpty {
            self.unknown.append(
                "more sessions: the registry is not complete for \(incomplete.joined(separator: ", "))"
            )
        }
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}
