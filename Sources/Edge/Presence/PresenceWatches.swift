// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// Who on this edge watches whom, and what is known of the watched. Pure: no clock, no links, no sessions.
///
/// A session watches conversations; their members are kept once for all sessions of the edge, follow the events of the
/// conversation, and are looked at again from time to time (``verifyInterval``), as an event may get lost. Nobody is
/// told of their own presence.
struct PresenceWatches {
    /// After this time, in milliseconds, the members of a conversation are asked for again.
    static let verifyInterval: UInt64 = 60_000
    /// Conversations that are asked for again in one turn.
    static let verificationsPerTurnMax = 32
    /// How long an answer waits for what is not known yet; the rest comes as events.
    static let answerPatience: UInt64 = 1000

    struct Watcher: Hashable, Sendable {
        var session: SessionID
        /// The number of the session's event loop.
        var loop: Int
        var user: UserID
    }

    /// What an event comes to.
    struct Changes: Equatable {
        var watched: [UserID] = []
        var unwatched: [UserID] = []
        var answers: [Answer] = []
        var events: [Event] = []
        var repeats: [Repeat] = []

        static func + (left: Changes, right: Changes) -> Changes {
            Changes(
                watched: left.watched + right.watched,
                unwatched: left.unwatched + right.unwatched,
                answers: left.answers + right.answers,
                events: left.events + right.events,
                repeats: left.repeats + right.repeats
            )
        }
    }

    struct Answer: Equatable {
        var watcher: Watcher
        var id: CommandID
        var users: [ShownPresence]
    }

    struct Event: Equatable {
        var shown: ShownPresence
        var watchers: [Watcher]
    }

    /// What one session missed.
    struct Repeat: Equatable {
        var watcher: Watcher
        var users: [ShownPresence]
    }

    /// One user's presence as an event, encoded.
    struct Frame: Sendable {
        var user: UserID
        var frames: EventFrames
    }

    private struct Conversation {
        var members: Set<UserID>
        var watchers: Set<Watcher> = []
        var verifiedAt: UInt64
    }

    private struct Watched {
        var conversations: Set<ConversationID> = []
        var shown: ShownPresence?
    }

    private struct Pending {
        var id: CommandID
        var deadline: UInt64
        var unknown: Set<UserID>
    }

    private struct Session {
        var watcher: Watcher
        var conversations: Set<ConversationID> = []
        var isAsking = false
        var pending: Pending?
    }

    private var sessions: [SessionID: Session] = [:]
    private var conversations: [ConversationID: Conversation] = [:]
    private var users: [UserID: Watched] = [:]
    /// Sessions with an answer that waits.
    private var waiting: Set<SessionID> = []
    /// Conversations whose members are being asked for, how often, and whether an event came meanwhile.
    private var asking: [ConversationID: (count: Int, isOutdated: Bool)] = [:]

    var sessionCount: Int { self.sessions.count }
    var userCount: Int { self.users.count }

    func isWatched(_ user: UserID) -> Bool { self.users[user] != nil }

    // MARK: - The commands of sessions

    /// A session wants another list. Returns false while the members of a former one are being asked for.
    mutating func begin(_ watcher: Watcher) -> Bool {
        guard !(self.sessions[watcher.session]?.isAsking ?? false) else { return false }
        self.sessions[watcher.session, default: Session(watcher: watcher)].isAsking = true
        return true
    }

    /// The members of a conversation, if they are known here and the user is one of them.
    func members(of conversation: ConversationID, for user: UserID, now: UInt64) -> Set<UserID>? {
        guard let known = self.conversations[conversation], known.members.contains(user),
            known.verifiedAt + Self.verifyInterval > now
        else { return nil }
        return known.members
    }

    mutating func askingBegan(_ conversation: ConversationID) {
        self.asking[conversation, default: (0, false)].count += 1
    }

    /// Returns whether an event came meanwhile, so that the answer may be older than that.
    private mutating func askingEnded(_ conversation: ConversationID) -> Bool {
        guard var asking = self.asking[conversation] else { return false }
        asking.count -= 1
        self.asking[conversation] = asking.count > 0 ? asking : nil
        return asking.isOutdated
    }

    /// The session's wish is not granted; its list stays as it was.
    mutating func refused(_ session: SessionID, asked: [ConversationID]) {
        for conversation in asked { _ = self.askingEnded(conversation) }
        self.sessions[session]?.isAsking = false
    }

    /// The session's list is this from now on.
    ///
    /// - Parameter asked: the conversations whose members were asked for now.
    mutating func replace(
        _ watcher: Watcher,
        id: CommandID,
        _ lists: [ConversationID: Set<UserID>],
        asked: [ConversationID],
        now: UInt64
    ) -> Changes {
        var changes = Changes()
        for conversation in asked {
            let isOutdated = self.askingEnded(conversation)
            guard let members = lists[conversation], self.sessions[watcher.session] != nil else { continue }
            changes = changes + self.setMembers(members, of: conversation, now: isOutdated ? 0 : now)
        }
        // It may have ended meanwhile.
        guard var session = self.sessions[watcher.session] else { return changes + self.dropUnwatched(asked) }
        session.isAsking = false
        if let pending = session.pending { changes.answers.append(self.answer(pending, session)) }
        let former = session.conversations
        session.conversations = Set(lists.keys)
        for conversation in former.subtracting(session.conversations) {
            self.conversations[conversation]?.watchers.remove(watcher)
        }
        for (conversation, members) in lists {
            if self.conversations[conversation] == nil {
                changes = changes + self.setMembers(members, of: conversation, now: 0)
            }
            self.conversations[conversation]?.watchers.insert(watcher)
        }
        changes = changes + self.dropUnwatched(former)
        let unknown = self.users(of: session).filter { self.users[$0]?.shown == nil }
        let pending = Pending(id: id, deadline: now + Self.answerPatience, unknown: unknown)
        if unknown.isEmpty {
            session.pending = nil
            self.waiting.remove(watcher.session)
            changes.answers.append(self.answer(pending, session))
        } else {
            session.pending = pending
            self.waiting.insert(watcher.session)
        }
        self.sessions[watcher.session] = session
        return changes
    }

    mutating func ended(_ session: SessionID) -> Changes {
        guard let ended = self.sessions.removeValue(forKey: session) else { return Changes() }
        self.waiting.remove(session)
        for conversation in ended.conversations {
            self.conversations[conversation]?.watchers.remove(ended.watcher)
        }
        return self.dropUnwatched(ended.conversations)
    }

    private func users(of session: Session) -> Set<UserID> {
        var users: Set<UserID> = []
        for conversation in session.conversations {
            users.formUnion(self.conversations[conversation]?.members ?? [])
        }
        users.remove(session.watcher.user)
        return users
    }

    private func answer(_ pending: Pending, _ session: Session) -> Answer {
        let known = self.users(of: session).compactMap { self.users[$0]?.shown }
        return Answer(watcher: session.watcher, id: pending.id, users: known.sorted { $0.user < $1.user })
    }

    // MARK: - What routers tell

    /// How watched users are seen now; of others nothing is kept.
    mutating func told(_ states: [ShownPresence]) -> Changes {
        var changes = Changes()
        var news: Set<UserID> = []
        for shown in states {
            guard let known = self.users[shown.user], known.shown != shown else { continue }
            let watchers = self.watchers(of: shown.user)
            self.users[shown.user]?.shown = shown
            news.insert(shown.user)
            if !watchers.isEmpty { changes.events.append(Event(shown: shown, watchers: watchers)) }
        }
        for session in self.waiting where !news.isEmpty {
            guard var pending = self.sessions[session]?.pending else { continue }
            pending.unknown.subtract(news)
            self.sessions[session]?.pending = pending
            if pending.unknown.isEmpty { self.finish(session, &changes) }
        }
        return changes
    }

    /// Those who are told now: a session whose answer waits for this very user finds it there.
    private func watchers(of user: UserID) -> [Watcher] {
        var watchers: Set<Watcher> = []
        for conversation in self.users[user]?.conversations ?? [] {
            watchers.formUnion(self.conversations[conversation]?.watchers ?? [])
        }
        return watchers.filter {
            $0.user != user && !(self.sessions[$0.session]?.pending?.unknown.contains(user) ?? false)
        }
    }

    /// A session missed what it was told of these users. It is told of those that it still watches.
    func again(_ users: Set<UserID>, for watcher: Watcher) -> Changes {
        guard let session = self.sessions[watcher.session] else { return Changes() }
        let shown = self.users(of: session).intersection(users).compactMap { self.users[$0]?.shown }
        guard !shown.isEmpty else { return Changes() }
        return Changes(repeats: [Repeat(watcher: watcher, users: shown.sorted { $0.user < $1.user })])
    }

    /// The sessions of an event loop missed what they were told of these users.
    func again(_ users: Set<UserID>, onLoop loop: Int) -> Changes {
        var changes = Changes()
        for user in users {
            guard let shown = self.users[user]?.shown else { continue }
            let watchers = self.watchers(of: user).filter { $0.loop == loop }
            if !watchers.isEmpty { changes.events.append(Event(shown: shown, watchers: watchers)) }
        }
        return changes
    }

    private mutating func finish(_ id: SessionID, _ changes: inout Changes) {
        guard let session = self.sessions[id], let pending = session.pending else { return }
        self.waiting.remove(id)
        self.sessions[id]?.pending = nil
        changes.answers.append(self.answer(pending, session))
    }

    // MARK: - What happens to conversations

    mutating func membersAdded(_ members: [UserID], to conversation: ConversationID, atMost limit: Int) -> Changes {
        self.asking[conversation]?.isOutdated = true
        guard let known = self.conversations[conversation] else { return Changes() }
        // What grows over the bound is watched as far as it was.
        let added = Set(members).subtracting(known.members).prefix(max(0, limit - known.members.count))
        return self.setMembers(known.members.union(added), of: conversation, now: known.verifiedAt)
    }

    mutating func membersRemoved(_ members: [UserID], from conversation: ConversationID) -> Changes {
        self.asking[conversation]?.isOutdated = true
        guard let known = self.conversations[conversation] else { return Changes() }
        let changes = self.setMembers(known.members.subtracting(members), of: conversation, now: known.verifiedAt)
        return changes + self.dropUnwatched([conversation])
    }

    mutating func deleted(_ conversation: ConversationID) -> Changes {
        self.asking[conversation]?.isOutdated = true
        return self.setMembers([], of: conversation, now: 0)
    }

    /// Events may have been lost: all members are asked for again, as fast as ``verificationsPerTurnMax`` lets.
    mutating func distrust() {
        for id in self.conversations.keys { self.conversations[id]?.verifiedAt = 0 }
        for id in self.asking.keys { self.asking[id]?.isOutdated = true }
    }

    /// Watchers who are not members any more watch no more.
    private mutating func setMembers(
        _ members: Set<UserID>,
        of id: ConversationID,
        now: UInt64
    ) -> Changes {
        var changes = Changes()
        var conversation = self.conversations[id] ?? Conversation(members: [], verifiedAt: now)
        conversation.verifiedAt = now
        for user in members.subtracting(conversation.members) {
            if self.users[user] == nil {
                self.users[user] = Watched()
                changes.watched.append(user)
            }
            self.users[user]?.conversations.insert(id)
        }
        for user in conversation.members.subtracting(members) {
            changes.unwatched += self.drop(user, of: id)
        }
        conversation.members = members
        for watcher in conversation.watchers where !members.contains(watcher.user) {
            conversation.watchers.remove(watcher)
            self.sessions[watcher.session]?.conversations.remove(id)
        }
        self.conversations[id] = conversation
        if members.isEmpty { self.conversations[id] = nil }
        return changes
    }

    private mutating func drop(_ user: UserID, of conversation: ConversationID) -> [UserID] {
        self.users[user]?.conversations.remove(conversation)
        guard self.users[user]?.conversations.isEmpty ?? false else { return [] }
        self.users[user] = nil
        for session in self.waiting { self.sessions[session]?.pending?.unknown.remove(user) }
        return [user]
    }

    /// Lets go of conversations that nobody watches any more.
    private mutating func dropUnwatched(_ ids: some Sequence<ConversationID>) -> Changes {
        var changes = Changes()
        for id in ids where self.conversations[id]?.watchers.isEmpty ?? false {
            for user in self.conversations.removeValue(forKey: id)?.members ?? [] {
                changes.unwatched += self.drop(user, of: id)
            }
        }
        return changes
    }

    // MARK: - Time

    /// Answers that have waited long enough.
    mutating func tick(now: UInt64) -> Changes {
        var changes = Changes()
        for session in self.waiting {
            guard let pending = self.sessions[session]?.pending else { continue }
            if pending.deadline <= now || pending.unknown.isEmpty { self.finish(session, &changes) }
        }
        return changes
    }

    struct Verification: Hashable, Sendable {
        var conversation: ConversationID
        /// One of its watchers, on whose behalf it is asked for.
        var actor: UserID
    }

    /// Conversations whose members are to be asked for again; ends with ``verified(_:_:now:)`` for each.
    mutating func verifications(now: UInt64) -> [Verification] {
        var verifications: [Verification] = []
        for (id, conversation) in self.conversations where conversation.verifiedAt + Self.verifyInterval <= now {
            guard verifications.count < Self.verificationsPerTurnMax else { break }
            guard self.asking[id] == nil, let actor = conversation.watchers.first?.user else { continue }
            verifications.append(Verification(conversation: id, actor: actor))
        }
        for verification in verifications { self.askingBegan(verification.conversation) }
        return verifications
    }

    enum Verdict: Equatable {
        case members(Set<UserID>)
        /// The one it was asked for is no member.
        case refused
        /// It could not be asked for.
        case failed
    }

    mutating func verified(_ verification: Verification, _ verdict: Verdict, now: UInt64) -> Changes {
        let id = verification.conversation
        let isOutdated = self.askingEnded(id)
        guard let known = self.conversations[id] else { return Changes() }
        switch verdict {
        case .members(let members):
            let changes = self.setMembers(members, of: id, now: isOutdated ? known.verifiedAt : now)
            return changes + self.dropUnwatched([id])
        case .refused:
            let changes = self.setMembers(known.members.subtracting([verification.actor]), of: id, now: 0)
            return changes + self.dropUnwatched([id])
        case .failed:
            // Not at once again.
            self.conversations[id]?.verifiedAt = now - min(now, Self.verifyInterval - Self.answerPatience)
            return Changes()
        }
    }
}
