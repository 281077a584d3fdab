// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Wire

/// Something that the members of a conversation are told.
package struct Parcel: Sendable {
    package enum Content: Sendable {
        case message(Message)
        /// Its `recipients` are filled in for each edge.
        case event(ConversationEvent)
        /// How far these members have come; private: each of them alone is told of it.
        case receipts([MemberWatermarks], isPrivate: Bool)
        /// Ephemeral. Its `recipients` are filled in for each edge.
        case typing(Typing)
        /// Told to nobody: the completion comes when what was sent before this cannot reach those who left any more.
        case settlement(Departure, completion: @Sendable () -> Void)
    }

    package var conversation: ConversationID
    package var content: Content
    /// Those who are told: the members at the moment that is told of.
    package var members: MemberList
    /// Users who are told though they are not members any more.
    package var formerMembers: [UserID]
    /// Members who joined after what is told of, and are not told: it is told once more, of an earlier time.
    package var laterMembers: Set<UserID> = []
    /// That of the change in the router's ``ChangeLog``; 0 when it has none.
    package var position: UInt64 = 0

    package init(
        conversation: ConversationID,
        content: Content,
        members: MemberList,
        formerMembers: [UserID] = []
    ) {
        self.conversation = conversation
        self.content = content
        self.members = members
        self.formerMembers = formerMembers
    }
}

extension Parcel {
    /// Who of these members is told.
    func recipients(among users: [UserID]) -> [UserID] {
        let users = self.laterMembers.isEmpty ? users : users.filter { !self.laterMembers.contains($0) }
        guard case .receipts(let entries, let isPrivate) = self.content else { return users }
        if isPrivate {
            let concerned = Set(entries.map(\.user))
            return users.filter { concerned.contains($0) }
        }
        // That something reached a device is news for the others only; what was read is news for one's own devices too.
        if let only = entries.first, entries.count == 1, only.watermarks.read == 0 {
            return users.filter { $0 != only.user }
        }
        return users
    }
}

/// Which edges hear of what happens in a conversation. Pure: no clock, no registry, no links.
///
/// An audience is looked up in the registry once and then kept right by the announcements of the edges:
///
///     (none) ──deliver──▶ resolving ──lookedUp──▶ resolved ──attached, detached──▶ resolved
///                             ▲                       │
///                             └── members changed, ───┘
///                                 a broadcast ran out, links changed
///
/// While it is being looked up, parcels wait in order and announcements are put aside, to be applied to the answer:
/// an edge writes the registry before it announces, so the answer together with what was put aside is right.
/// An edge that the registry knows nothing certain about (its completeness marker is missing, Redis did not answer, or the
/// edge itself has not said over its link that it is registered) gets everything, with all the members named: Redis loses
/// no delivery (contract C6).
///
/// Many recipients on one edge are told to it once (``AudienceUpdate``), and then who comes and goes; a message names them
/// by a number, so that its frame is as small for thousands of recipients as for ten.
package struct Audience {
    /// Conversations whose audience is kept; over it some are let go and looked up again.
    package static let conversationsMax = 20_000
    /// Parcels that wait for look-ups; over it those of the conversation go to every linked edge at once.
    package static let waitingParcelsMax = 10_000
    /// How long an audience with an uncertain edge holds before it is looked up again.
    package static let uncertainFor: UnixMilliseconds = 1000
    /// Recipients on one edge from which on they are not named with every message.
    package static let numberedFrom = 32

    package enum Action: Sendable {
        case lookUp(ConversationID, token: UInt64, users: [UserID])
        /// - Parameter audience: the number of the recipients; 0 when they have to be named.
        case send(edge: String, parcel: Parcel, recipients: [UserID], audience: UInt64, isBroadcast: Bool)
        /// Comes before what uses the number. When it cannot be sent, ``forget(conversations:)`` has to be called.
        case tell(edge: String, AudienceUpdate)
        case settle(Departure, completion: @Sendable () -> Void)
        /// Everything about the change with this position stands before.
        case finished(position: UInt64)
    }

    /// What the registry said.
    package enum Answer: Sendable {
        /// For every user the edges with a session, and the edges that are known to have registered everything.
        case found([UserID: [EdgeLife]], complete: Set<EdgeLife>)
        case failed
    }

    private struct Resolving {
        var token: UInt64
        var members: MemberList
        var waiting: [Parcel] = []
        var changes: [(user: UserID, edge: String, isAttached: Bool)] = []
        var isOutdated = false
    }

    private struct Resolved {
        var members: MemberList
        var edges: [String: [UserID]] = [:]
        var uncertain: Set<String> = []
        var validUntil: UnixMilliseconds?
        /// Under which number an edge knows its users.
        var numbers: [String: UInt64] = [:]
        /// Whether a message was sent before: for the first one numbers would not pay.
        var isInUse = false

        /// Returns what the edge has to be told.
        mutating func apply(_ user: UserID, edge: String, isAttached: Bool) -> AudienceUpdate.Kind? {
            var users = self.edges.removeValue(forKey: edge) ?? []
            let place = users.firstIndex(of: user)
            if let place, !isAttached {
                users.remove(at: place)
            } else if place == nil, isAttached {
                users.append(user)
            }
            guard !users.isEmpty else {
                self.numbers[edge] = nil
                return nil
            }
            self.edges[edge] = users
            guard (place == nil) == isAttached else { return nil }
            return isAttached ? .attached : .detached
        }
    }

    private enum Entry {
        case resolving(Resolving)
        case resolved(Resolved)

        var members: MemberList {
            switch self {
            case .resolving(let resolving): resolving.members
            case .resolved(let resolved): resolved.members
            }
        }
    }

    private var entries: [ConversationID: Entry] = [:]
    private var conversationsOfUser: [UserID: Set<ConversationID>] = [:]
    private var linked: Set<EdgeLife> = []
    /// Edges that said over their present link that the registry knows all their sessions.
    private var registered: Set<String> = []
    /// Edges that said over their present link that they understand numbers.
    private var numbering: Set<String> = []
    private var nextToken: UInt64 = 1
    private var nextNumber: UInt64 = 1
    private var waitingParcels = 0
    private let numberedFrom: Int

    package init(numberedFrom: Int = Self.numberedFrom) {
        self.numberedFrom = numberedFrom
    }

    package var conversationCount: Int { self.entries.count }
    package var waitingCount: Int { self.waitingParcels }

    // MARK: - Events

    package mutating func deliver(_ parcel: Parcel, now: UnixMilliseconds) -> [Action] {
        switch self.entries[parcel.conversation] {
        case nil:
            self.makeRoom()
            return self.resolve(parcel.conversation, waiting: [parcel])
        case .resolving(var resolving):
            guard self.waitingParcels < Self.waitingParcelsMax else {
                self.drop(parcel.conversation)
                return (resolving.waiting + [parcel]).flatMap { self.broadcast($0) }
            }
            resolving.waiting.append(parcel)
            self.waitingParcels += 1
            self.entries[parcel.conversation] = .resolving(resolving)
            return []
        case .resolved(var resolved):
            let isCurrent = resolved.members.version == parcel.members.version
            guard isCurrent, resolved.validUntil.map({ now < $0 }) ?? true else {
                self.drop(parcel.conversation)
                return self.resolve(parcel.conversation, waiting: [parcel])
            }
            let actions = self.send(parcel, to: &resolved)
            self.entries[parcel.conversation] = .resolved(resolved)
            return actions
        }
    }

    /// The answer to a ``Action/lookUp(_:token:users:)``. Answers to look-ups that are not wanted any more are ignored.
    package mutating func lookedUp(
        _ conversation: ConversationID,
        token: UInt64,
        answer: Answer,
        now: UnixMilliseconds
    ) -> [Action] {
        guard case .resolving(let resolving) = self.entries[conversation], resolving.token == token else { return [] }
        self.drop(conversation)
        guard !resolving.isOutdated else {
            return self.resolve(conversation, waiting: resolving.waiting)
        }
        var resolved = self.resolved(resolving, answer: answer, now: now)
        var actions: [Action] = []
        // Members may have changed while the registry was asked: what was decided under another list asks again.
        let other = resolving.waiting.firstIndex { $0.members.version != resolving.members.version }
        for parcel in resolving.waiting[..<(other ?? resolving.waiting.endIndex)] {
            actions += self.send(parcel, to: &resolved)
        }
        if let other {
            actions += self.resolve(conversation, waiting: Array(resolving.waiting[other...]))
        } else {
            self.keep(.resolved(resolved), conversation)
        }
        return actions
    }

    /// An edge announced that users came to it or left it.
    package mutating func attachmentChanged(edge: String, attached: [UserID], detached: [UserID]) -> [Action] {
        attached.flatMap { self.change($0, edge: edge, isAttached: true) }
            + detached.flatMap { self.change($0, edge: edge, isAttached: false) }
    }

    /// An edge said whether the registry knows all its sessions. What was resolved before stays right, since the edge
    /// announces who comes; what is resolved from now on goes by it.
    /// - Parameter takesAudiences: it understands ``AudienceUpdate``.
    package mutating func registrationChanged(edge: String, isRegistered: Bool, takesAudiences: Bool) {
        if isRegistered {
            self.registered.insert(edge)
        } else {
            self.registered.remove(edge)
        }
        if takesAudiences {
            self.numbering.insert(edge)
        } else {
            self.numbering.remove(edge)
        }
    }

    /// An edge was sent something for users who have no session there: what is known of them is looked up again.
    package mutating func forget(_ users: [UserID]) {
        for conversation in users.reduce(into: Set(), { $0.formUnion(self.conversationsOfUser[$1] ?? []) }) {
            self.outdate(conversation)
        }
    }

    /// An edge does not know the numbers of these: they are looked up again, and told anew.
    package mutating func forget(conversations: [ConversationID]) {
        for conversation in conversations { self.outdate(conversation) }
    }

    /// The links to edges are now these. Announcements may have been missed, so nothing known is trusted any more.
    package mutating func linksChanged(_ linked: Set<EdgeLife>) {
        // A link that was down in between has to be told anew.
        let kept = linked.intersection(self.linked).map(\.edge)
        self.registered.formIntersection(kept)
        self.numbering.formIntersection(kept)
        self.linked = linked
        for conversation in Array(self.entries.keys) {
            self.outdate(conversation)
        }
    }

    // MARK: - Looking up

    private mutating func resolve(_ conversation: ConversationID, waiting: [Parcel]) -> [Action] {
        guard let members = waiting.first?.members else { return [] }
        let token = self.nextToken
        self.nextToken += 1
        self.waitingParcels += waiting.count
        self.keep(.resolving(Resolving(token: token, members: members, waiting: waiting)), conversation)
        return [.lookUp(conversation, token: token, users: members.users)]
    }

    private func resolved(_ resolving: Resolving, answer: Answer, now: UnixMilliseconds) -> Resolved {
        var resolved = Resolved(members: resolving.members)
        switch answer {
        case .failed:
            resolved.uncertain = Set(self.linked.map(\.edge))
        case .found(let locations, let complete):
            resolved.uncertain = Set(
                self.linked.filter { !complete.contains($0) || !self.registered.contains($0.edge) }.map(\.edge)
            )
            for user in resolving.members.users {
                // Entries of an edge that has no link, or of an earlier life of it, are void.
                for edge in Set(locations[user] ?? []) where self.linked.contains(edge) {
                    resolved.edges[edge.edge, default: []].append(user)
                }
            }
        }
        if !resolved.uncertain.isEmpty {
            resolved.validUntil = now + Self.uncertainFor
        }
        for change in resolving.changes {
            // Nobody was told a number yet.
            _ = resolved.apply(change.user, edge: change.edge, isAttached: change.isAttached)
        }
        return resolved
    }

    /// The audience if it is known and still valid.
    func resolved(
        _ conversation: ConversationID,
        now: UnixMilliseconds
    ) -> (members: MemberList, edges: [String: [UserID]], uncertain: Set<String>)? {
        guard case .resolved(let resolved) = self.entries[conversation],
            resolved.validUntil.map({ now < $0 }) ?? true
        else { return nil }
        return (resolved.members, resolved.edges, resolved.uncertain)
    }

    // MARK: - Keeping

    private mutating func keep(_ entry: Entry, _ conversation: ConversationID) {
        self.entries[conversation] = entry
        for user in entry.members.users {
            self.conversationsOfUser[user, default: []].insert(conversation)
        }
    }

    private mutating func drop(_ conversation: ConversationID) {
        guard let entry = self.entries.removeValue(forKey: conversation) else { return }
        if case .resolving(let resolving) = entry {
            self.waitingParcels -= resolving.waiting.count
        }
        for user in entry.members.users {
            self.conversationsOfUser[user]?.remove(conversation)
            if self.conversationsOfUser[user]?.isEmpty ?? false {
                self.conversationsOfUser[user] = nil
            }
        }
    }

    private mutating func outdate(_ conversation: ConversationID) {
        switch self.entries[conversation] {
        case .resolving(var resolving):
            resolving.isOutdated = true
            self.entries[conversation] = .resolving(resolving)
        case .resolved:
            self.drop(conversation)
        case nil:
            break
        }
    }

    private mutating func makeRoom() {
        guard self.entries.count >= Self.conversationsMax else { return }
        let resolved = self.entries.lazy.filter { entry in
            if case .resolved = entry.value { return true }
            return false
        }
        for conversation in Array(resolved.map(\.key).prefix(Self.conversationsMax / 16)) {
            self.drop(conversation)
        }
    }

    private mutating func change(_ user: UserID, edge: String, isAttached: Bool) -> [Action] {
        var actions: [Action] = []
        for conversation in self.conversationsOfUser[user] ?? [] {
            switch self.entries[conversation] {
            case .resolving(var resolving):
                resolving.changes.append((user, edge, isAttached))
                self.entries[conversation] = .resolving(resolving)
            case .resolved(var resolved):
                let news = resolved.apply(user, edge: edge, isAttached: isAttached)
                self.entries[conversation] = .resolved(resolved)
                guard let news, let number = resolved.numbers[edge] else { break }
                let update = AudienceUpdate(conversation: conversation, number: number, kind: news, users: [user])
                actions.append(.tell(edge: edge, update))
            case nil:
                break
            }
        }
        return actions
    }

    // MARK: - Sending

    private mutating func send(_ parcel: Parcel, to audience: inout Resolved) -> [Action] {
        if case .settlement(let departure, let completion) = parcel.content {
            return [.settle(departure, completion: completion)]
        }
        var actions: [Action] = []
        for (edge, users) in audience.edges where !audience.uncertain.contains(edge) {
            let recipients = parcel.recipients(among: users)
            guard !recipients.isEmpty else { continue }
            let number = self.number(of: users, edge: edge, for: parcel, in: &audience, &actions)
            actions.append(
                .send(edge: edge, parcel: parcel, recipients: recipients, audience: number, isBroadcast: false)
            )
        }
        if case .message = parcel.content { audience.isInUse = true }
        for edge in audience.uncertain {
            let recipients = parcel.recipients(among: parcel.members.users) + parcel.formerMembers
            actions.append(.send(edge: edge, parcel: parcel, recipients: recipients, audience: 0, isBroadcast: true))
        }
        if !parcel.formerMembers.isEmpty {
            // Nobody keeps where former members are; they are few, and the event is rare.
            for edge in self.linked.map(\.edge) where !audience.uncertain.contains(edge) {
                actions.append(
                    .send(
                        edge: edge,
                        parcel: parcel,
                        recipients: parcel.formerMembers,
                        audience: 0,
                        isBroadcast: true
                    )
                )
            }
        }
        if parcel.position > 0 { actions.append(.finished(position: parcel.position)) }
        return actions
    }

    /// The number of these users if the edge knows it or may be told it now; 0 if the parcel has to name its recipients.
    private mutating func number(
        of users: [UserID],
        edge: String,
        for parcel: Parcel,
        in audience: inout Resolved,
        _ actions: inout [Action]
    ) -> UInt64 {
        guard case .message = parcel.content, parcel.laterMembers.isEmpty else { return 0 }
        if let number = audience.numbers[edge] { return number }
        guard audience.isInUse, users.count >= self.numberedFrom, self.numbering.contains(edge) else { return 0 }
        let number = self.nextNumber
        self.nextNumber += 1
        audience.numbers[edge] = number
        let update = AudienceUpdate(conversation: parcel.conversation, number: number, kind: .all, users: users)
        actions.append(.tell(edge: edge, update))
        return number
    }

    private func broadcast(_ parcel: Parcel) -> [Action] {
        if case .settlement(let departure, let completion) = parcel.content {
            return [.settle(departure, completion: completion)]
        }
        return self.linked.map { edge in
            .send(
                edge: edge.edge,
                parcel: parcel,
                recipients: parcel.recipients(among: parcel.members.users) + parcel.formerMembers,
                audience: 0,
                isBroadcast: true
            )
        } + (parcel.position > 0 ? [.finished(position: parcel.position)] : [])
    }
}
