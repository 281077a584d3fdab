// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Wire

/// Which edges hear of what happens in a conversation. Pure: no clock, no registry, no links.
///
/// An audience is looked up in the registry once and then kept right by the announcements of the edges:
///
///     (none) ──deliver──▶ resolving ──lookedUp──▶ resolved ──attached, detached──▶ resolved
///                             ▲                       │
///                             └── a broadcast ran out, ─┘
///                                 links changed
///
/// When members come and go, only those who came are looked up.
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
    /// Once more for every so many members.
    package static let uncertainForLongerPer = 10_000
    /// Recipients on one edge from which on they are not named with every message.
    package static let numberedFrom = 32

    package enum Action: Sendable {
        case lookUp(ConversationID, token: UInt64, users: [UserID])
        /// - Parameter audience: the number of the recipients; 0 when they have to be named.
        case send(edge: String, parcel: Parcel, recipients: [UserID], audience: UInt64, isBroadcast: Bool)
        /// Comes before what uses the number. When it cannot be sent, ``forget(conversations:)`` has to be called.
        case tell(edge: String, AudienceUpdate)
        /// The same through another router, which passes it on; always a message.
        case sendThrough(relay: String, edge: String, parcel: Parcel, recipients: [UserID], audience: UInt64)
        case tellThrough(relay: String, edge: String, AudienceUpdate)
        case settle(Departure, completion: @Sendable () -> Void)
        /// Everything about the change with this position stands before.
        case finished(position: UInt64)
    }

    /// What the registry said.
    package enum Answer: Sendable {
        /// For every user the edges with a session, and the edges that are known to have registered everything; in the
        /// registry of this life of Redis, empty when it does not tell.
        case found([UserID: [EdgeLife]], complete: Set<EdgeLife>, registry: String = "")
        case failed
    }

    private var entries: [ConversationID: AudienceEntry] = [:]
    private var conversationsOfUser: [UserID: Set<ConversationID>] = [:]
    private var linked: Set<EdgeLife> = []
    /// Edges that said over their present link that the registry knows all their sessions, and in which life of Redis;
    /// empty when they did not tell.
    private var registered: [String: String] = [:]
    /// Edges that said over their present link that they understand numbers.
    private var numbering: Set<String> = []
    private var nextToken: UInt64 = 1
    private var nextNumber: UInt64 = 1
    private var waitingParcels = 0
    private let numberedFrom: Int
    /// Edges from which on messages of a conversation are passed on by other routers.
    private let relayedFrom: Int
    package private(set) var plan: RelayPlan

    /// - Parameters:
    ///   - own: the name of this router.
    ///   - relayedFrom: edges; at least 1.
    package init(own: String = "", numberedFrom: Int = Self.numberedFrom, relayedFrom: Int = .max) {
        self.numberedFrom = numberedFrom
        self.relayedFrom = relayedFrom
        self.plan = RelayPlan(own: own)
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
            // Taken out, so that what waits grows in place.
            self.entries[parcel.conversation] = nil
            resolving.waiting.append(parcel)
            self.waitingParcels += 1
            self.entries[parcel.conversation] = .resolving(resolving)
            return []
        case .resolved(var resolved):
            guard resolved.validUntil.map({ now < $0 }) ?? true else {
                self.drop(parcel.conversation)
                return self.resolve(parcel.conversation, waiting: [parcel])
            }
            guard resolved.members.version == parcel.members.version else {
                return self.membersChanged(parcel, now: now)
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
        guard case .resolving(var resolving) = self.entries[conversation], resolving.token == token else { return [] }
        guard !resolving.isOutdated else {
            self.drop(conversation)
            return self.resolve(conversation, waiting: resolving.waiting)
        }
        // Taken out, so that what was known is changed in place.
        self.entries[conversation] = nil
        var resolved = resolving.base ?? ResolvedAudience(members: resolving.members)
        resolving.base = nil
        var actions = self.complete(&resolved, resolving, conversation, answer: answer, now: now)
        // Members may have changed while the registry was asked: what was decided under another list asks again.
        let other = resolving.waiting.firstIndex { $0.members.version != resolving.members.version }
        for parcel in resolving.waiting[..<(other ?? resolving.waiting.endIndex)] {
            actions += self.send(parcel, to: &resolved)
        }
        self.waitingParcels -= resolving.waiting.count
        self.entries[conversation] = .resolved(resolved)
        for parcel in resolving.waiting[(other ?? resolving.waiting.endIndex)...] {
            actions += self.deliver(parcel, now: now)
        }
        return actions
    }

    /// An edge announced that users came to it or left it.
    package mutating func attachmentChanged(edge: String, attached: [UserID], detached: [UserID]) -> [Action] {
        var changes: [ConversationID: [(user: UserID, isAttached: Bool)]] = [:]
        for (users, isAttached) in [(attached, true), (detached, false)] {
            for user in users {
                for conversation in self.conversationsOfUser[user] ?? [] {
                    changes[conversation, default: []].append((user, isAttached))
                }
            }
        }
        return changes.flatMap { self.apply($1, edge: edge, in: $0) }
    }

    /// An edge said whether the registry knows all its sessions. What was resolved before stays right, since the edge
    /// announces who comes; what is resolved from now on goes by it.
    /// - Parameters:
    ///   - takesAudiences: it understands ``AudienceUpdate``.
    ///   - registry: the life of the Redis that it is registered in; empty when it did not tell.
    package mutating func registrationChanged(
        edge: String,
        isRegistered: Bool,
        takesAudiences: Bool,
        registry: String = ""
    ) {
        self.registered[edge] = isRegistered ? registry : nil
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
        let kept = Set(linked.intersection(self.linked).map(\.edge))
        self.registered = self.registered.filter { kept.contains($0.key) }
        self.numbering.formIntersection(kept)
        self.linked = linked
        for conversation in Array(self.entries.keys) {
            self.outdate(conversation)
        }
    }

    /// What is known of the routers that pass things on has changed. What was resolved before goes another way with its next
    /// message.
    package mutating func planChanged(_ change: (inout RelayPlan) -> Void) {
        change(&self.plan)
    }

    // MARK: - Looking up

    private mutating func resolve(_ conversation: ConversationID, waiting: [Parcel]) -> [Action] {
        guard let members = waiting.first?.members else { return [] }
        let token = self.takeToken()
        self.waitingParcels += waiting.count
        self.entries[conversation] = .resolving(ResolvingAudience(token: token, members: members, waiting: waiting))
        self.point(members.users, to: conversation)
        return [.lookUp(conversation, token: token, users: members.users)]
    }

    /// The parcel was decided under another list than the one that is known.
    private mutating func membersChanged(_ parcel: Parcel, now: UnixMilliseconds) -> [Action] {
        let conversation = parcel.conversation
        guard case .resolved(var resolved) = self.entries.removeValue(forKey: conversation) else { return [] }
        let (former, current) = (resolved.members, parcel.members)
        guard current.version > former.version, resolved.uncertain.isEmpty else {
            // Late, or everything has to be asked again anyway.
            self.unpoint(former.users, from: conversation)
            return self.resolve(conversation, waiting: [parcel])
        }
        let left = former.users.filter { current[$0] == nil }
        let came = current.users.filter { former[$0] == nil }
        self.unpoint(left, from: conversation)
        self.point(came, to: conversation)
        var news = AudienceNews()
        for user in left {
            for edge in Array(resolved.edges.keys) where resolved.apply(user, edge: edge, isAttached: false) {
                news.note(user, edge: edge, isAttached: false)
            }
        }
        resolved.members = current
        var actions = news.actions(conversation, resolved)
        guard !came.isEmpty else {
            actions += self.send(parcel, to: &resolved)
            self.entries[conversation] = .resolved(resolved)
            return actions
        }
        let token = self.takeToken()
        self.waitingParcels += 1
        let resolving = ResolvingAudience(token: token, members: current, base: resolved, waiting: [parcel])
        self.entries[conversation] = .resolving(resolving)
        return actions + [.lookUp(conversation, token: token, users: came)]
    }

    private mutating func takeToken() -> UInt64 {
        defer { self.nextToken += 1 }
        return self.nextToken
    }

    private func complete(
        _ resolved: inout ResolvedAudience,
        _ resolving: ResolvingAudience,
        _ conversation: ConversationID,
        answer: Answer,
        now: UnixMilliseconds
    ) -> [Action] {
        var news = AudienceNews()
        switch answer {
        case .failed:
            resolved.uncertain = Set(self.linked.map(\.edge))
        case .found(let locations, let complete, let registry):
            resolved.uncertain = Set(
                self.linked.filter { !complete.contains($0) || !self.isRegistered($0.edge, in: registry) }.map(\.edge)
            )
            for (user, edges) in locations where resolving.members[user] != nil {
                // Entries of an edge that has no link, or of an earlier life of it, are void.
                for edge in edges where self.linked.contains(edge) {
                    guard resolved.apply(user, edge: edge.edge, isAttached: true) else { continue }
                    news.note(user, edge: edge.edge, isAttached: true)
                }
            }
        }
        if !resolved.uncertain.isEmpty {
            // What is asked and told anew grows with the members.
            let factor = 1 + UnixMilliseconds(resolving.members.users.count / Self.uncertainForLongerPer)
            resolved.validUntil = now + Self.uncertainFor * factor
            for edge in resolved.uncertain { resolved.numbers[edge] = nil }
        }
        for change in resolving.changes
        where resolved.apply(change.user, edge: change.edge, isAttached: change.isAttached) {
            news.note(change.user, edge: change.edge, isAttached: change.isAttached)
        }
        return news.actions(conversation, resolved)
    }

    /// After a fail-over of Redis edge and router may be at two servers, and a marker that the edge left with the one says
    /// nothing of what it registers with the other.
    private func isRegistered(_ edge: String, in registry: String) -> Bool {
        guard let own = self.registered[edge] else { return false }
        return own == registry || own.isEmpty || registry.isEmpty
    }

    /// The audience if it is known and still valid.
    func resolved(
        _ conversation: ConversationID,
        now: UnixMilliseconds
    ) -> (members: MemberList, edges: [String: [UserID]], uncertain: Set<String>)? {
        guard case .resolved(let resolved) = self.entries[conversation],
            resolved.validUntil.map({ now < $0 }) ?? true
        else { return nil }
        return (resolved.members, resolved.edges.mapValues(\.users), resolved.uncertain)
    }

    // MARK: - Keeping

    private mutating func point(_ users: [UserID], to conversation: ConversationID) {
        for user in users { self.conversationsOfUser[user, default: []].insert(conversation) }
    }

    private mutating func unpoint(_ users: [UserID], from conversation: ConversationID) {
        for user in users {
            self.conversationsOfUser[user]?.remove(conversation)
            if self.conversationsOfUser[user]?.isEmpty ?? false { self.conversationsOfUser[user] = nil }
        }
    }

    private mutating func drop(_ conversation: ConversationID) {
        guard let entry = self.entries.removeValue(forKey: conversation) else { return }
        if case .resolving(let resolving) = entry {
            self.waitingParcels -= resolving.waiting.count
        }
        self.unpoint(entry.members.users, from: conversation)
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

    private mutating func apply(
        _ changes: [(user: UserID, isAttached: Bool)],
        edge: String,
        in conversation: ConversationID
    ) -> [Action] {
        // Taken out, so that it is changed in place.
        switch self.entries.removeValue(forKey: conversation) {
        case .resolving(var resolving):
            resolving.changes += changes.map { ($0.user, edge, $0.isAttached) }
            self.entries[conversation] = .resolving(resolving)
            return []
        case .resolved(var resolved):
            var news = AudienceNews()
            for change in changes where resolved.apply(change.user, edge: edge, isAttached: change.isAttached) {
                news.note(change.user, edge: edge, isAttached: change.isAttached)
            }
            self.entries[conversation] = .resolved(resolved)
            return news.actions(conversation, resolved)
        case nil:
            return []
        }
    }

    // MARK: - Sending

    private mutating func send(_ parcel: Parcel, to audience: inout ResolvedAudience) -> [Action] {
        if case .settlement(let departure, let completion) = parcel.content {
            return [.settle(departure, completion: completion)]
        }
        var actions: [Action] = []
        let edges = audience.receivingEdges
        // On another way an edge is told anew whom a number means.
        for edge in audience.paths.adapt(to: self.plan, edges: edges.count, relayedFrom: self.relayedFrom) {
            audience.numbers[edge] = nil
        }
        for edge in edges {
            let users = audience.recipients(on: edge)
            let recipients = parcel.recipients(among: users)
            guard !recipients.isEmpty else { continue }
            let relay = self.relay(for: edge, of: parcel, in: &audience)
            let number = self.number(of: users, edge: edge, relay: relay, for: parcel, in: &audience, &actions)
            let isBroadcast = audience.uncertain.contains(edge)
            guard let relay else {
                actions += Self.sends(parcel, to: edge, recipients, number: number, isBroadcast: isBroadcast)
                continue
            }
            actions.append(
                .sendThrough(relay: relay, edge: edge, parcel: parcel, recipients: recipients, audience: number)
            )
        }
        if case .message = parcel.content { audience.isInUse = true }
        if !parcel.formerMembers.isEmpty {
            // Nobody keeps where former members are; they are few, and the event is rare.
            for edge in self.linked.map(\.edge) {
                actions += Self.sends(parcel, to: edge, parcel.formerMembers, isBroadcast: true)
            }
        }
        if parcel.position > 0 { actions.append(.finished(position: parcel.position)) }
        return actions
    }

    /// In parts, where there are more recipients to be named than one frame holds.
    private static func sends(
        _ parcel: Parcel,
        to edge: String,
        _ recipients: [UserID],
        number: UInt64 = 0,
        isBroadcast: Bool
    ) -> [Action] {
        guard number == 0, recipients.count > Limits.usersPerFrameMax else {
            return [
                .send(edge: edge, parcel: parcel, recipients: recipients, audience: number, isBroadcast: isBroadcast)
            ]
        }
        return stride(from: 0, to: recipients.count, by: Limits.usersPerFrameMax).map { start in
            let part = recipients[start..<min(start + Limits.usersPerFrameMax, recipients.count)]
            return .send(edge: edge, parcel: parcel, recipients: Array(part), audience: 0, isBroadcast: isBroadcast)
        }
    }

    /// The number of these users if the edge knows it or may be told it now; 0 if the parcel has to name its recipients.
    private mutating func number(
        of users: [UserID],
        edge: String,
        relay: String?,
        for parcel: Parcel,
        in audience: inout ResolvedAudience,
        _ actions: inout [Action]
    ) -> UInt64 {
        guard case .message = parcel.content, parcel.laterMembers.isEmpty else { return 0 }
        if let number = audience.numbers[edge] { return number }
        guard users.count >= self.numberedFrom, self.numbering.contains(edge) else { return 0 }
        guard audience.isInUse || users.count > Limits.usersPerFrameMax else { return 0 }
        let number = self.nextNumber
        self.nextNumber += 1
        audience.numbers[edge] = number
        actions += Self.tell(edge, relay: relay, parcel.conversation, number, .all, users)
        return number
    }

    /// Messages only: what else is told of a large conversation is rare. Edges of which nothing certain is known are sent to
    /// directly; so are those that said nothing over their link yet: they may not know of it, and take nothing of a router
    /// that they have no link to.
    private func relay(for edge: String, of parcel: Parcel, in audience: inout ResolvedAudience) -> String? {
        guard case .message = parcel.content, parcel.laterMembers.isEmpty, self.numbering.contains(edge),
            !audience.uncertain.contains(edge)
        else { return nil }
        return audience.paths.relay(for: edge, in: self.plan)
    }

    private func broadcast(_ parcel: Parcel) -> [Action] {
        if case .settlement(let departure, let completion) = parcel.content {
            return [.settle(departure, completion: completion)]
        }
        let recipients = parcel.recipients(among: parcel.members.users) + parcel.formerMembers
        return self.linked.flatMap { Self.sends(parcel, to: $0.edge, recipients, isBroadcast: true) }
            + (parcel.position > 0 ? [.finished(position: parcel.position)] : [])
    }
}
