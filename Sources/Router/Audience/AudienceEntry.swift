// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Wire

/// What an ``Audience`` knows of one conversation.
enum AudienceEntry {
    case resolving(ResolvingAudience)
    case resolved(ResolvedAudience)

    var members: MemberList {
        switch self {
        case .resolving(let resolving): resolving.members
        case .resolved(let resolved): resolved.members
        }
    }
}

/// The registry is being asked.
struct ResolvingAudience {
    var token: UInt64
    var members: MemberList
    /// What is known of all the members but those that are asked for.
    var base: ResolvedAudience?
    var waiting: [Parcel] = []
    var changes: [(user: UserID, edge: String, isAttached: Bool)] = []
    var isOutdated = false
}

/// Where the members are.
struct ResolvedAudience {
    var members: MemberList
    var edges: [String: UserSet] = [:]
    /// Edges that the registry knows nothing certain about: they get everything, for all the members.
    var uncertain: Set<String> = []
    var validUntil: UnixMilliseconds?
    /// Under which number an edge knows its recipients.
    var numbers: [String: UInt64] = [:]
    /// Whether a message was sent before: for the first one numbers would not pay.
    var isInUse = false
    /// How its messages get to the edges.
    var paths = AudiencePaths()

    /// Who is named to this edge.
    func recipients(on edge: String) -> [UserID] {
        self.uncertain.contains(edge) ? self.members.users : self.edges[edge]?.users ?? []
    }

    /// Every edge that is sent something.
    var receivingEdges: Set<String> { self.uncertain.union(self.edges.keys) }

    /// Returns whether an edge that knows its recipients by a number has to be told.
    mutating func apply(_ user: UserID, edge: String, isAttached: Bool) -> Bool {
        let hasChanged: Bool
        if isAttached {
            hasChanged = self.edges[edge, default: UserSet()].insert(user)
        } else {
            hasChanged = self.edges[edge]?.remove(user) ?? false
            if self.edges[edge]?.isEmpty ?? false {
                self.edges[edge] = nil
                if !self.uncertain.contains(edge) { self.numbers[edge] = nil }
            }
        }
        return hasChanged && self.numbers[edge] != nil && !self.uncertain.contains(edge)
    }
}

/// What the edges that know recipients by a number are to be told of one conversation, joined.
struct AudienceNews {
    private var users: [String: (attached: UserSet, detached: UserSet)] = [:]

    /// Of a user who came and went only the last holds.
    mutating func note(_ user: UserID, edge: String, isAttached: Bool) {
        var users = self.users.removeValue(forKey: edge) ?? (UserSet(), UserSet())
        if isAttached {
            users.detached.remove(user)
            users.attached.insert(user)
        } else {
            users.attached.remove(user)
            users.detached.insert(user)
        }
        self.users[edge] = users
    }

    /// An edge that has no number any more is told with its next message.
    func actions(_ conversation: ConversationID, _ audience: ResolvedAudience) -> [Audience.Action] {
        self.users.flatMap { edge, users -> [Audience.Action] in
            guard let number = audience.numbers[edge] else { return [] }
            // The way of the messages, so that it comes before them.
            let relay = audience.paths.current(edge)
            return Audience.tell(edge, relay: relay, conversation, number, .detached, users.detached.users)
                + Audience.tell(edge, relay: relay, conversation, number, .attached, users.attached.users)
        }
    }
}

extension Audience {
    /// In parts that fit one frame each; of a whole list the parts after the first are additions.
    static func tell(
        _ edge: String,
        relay: String?,
        _ conversation: ConversationID,
        _ number: UInt64,
        _ kind: AudienceUpdate.Kind,
        _ users: [UserID]
    ) -> [Action] {
        stride(from: 0, to: users.count, by: Limits.usersPerFrameMax).map { start in
            let part = Array(users[start..<min(start + Limits.usersPerFrameMax, users.count)])
            let partKind = start > 0 && kind == .all ? .attached : kind
            let update = AudienceUpdate(conversation: conversation, number: number, kind: partKind, users: part)
            return relay.map { .tellThrough(relay: $0, edge: edge, update) } ?? .tell(edge: edge, update)
        }
    }
}
