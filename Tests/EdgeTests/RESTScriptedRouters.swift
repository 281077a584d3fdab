// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Synchronization
import Wire

@testable import Edge

/// Routers that keep users, devices and conversations in memory and answer as the real ones do, encoded and decoded
/// on the way, so that the routes above them can be driven without a cluster.
final class ScriptedRouters: RouterCalls {
    struct State {
        var names: [String: UserID] = [:]
        var users: [UserID: RegisterUser] = [:]
        /// Users that are registered but appear only after so many questions for them.
        var questionsUntilCreated = 0
        var refreshHashes: [DeviceID: [UInt8]] = [:]
        var usedHashes: Set<[UInt8]> = []
        var conversations: [ConversationID: ConversationState] = [:]
        var messages: [ConversationID: [Message]] = [:]
        var watermarks: [ConversationID: [UserID: Watermarks]] = [:]
        var calls: [RequestKind] = []
        /// What every call fails with, to see how it is told.
        var failure: Failure?
        /// As if every conversation were too large for a list of its members' receipts.
        var countsOnly = false
        var summaryQuestions: [[ConversationID]] = []
    }

    let state = Mutex(State())

    func call<Response: WireMessage>(
        _ kind: RequestKind,
        slot: Slot,
        body: some WireMessage,
        timeout: Duration?
    ) async throws(Failure) -> Response {
        let payload = body.encoded()
        let answer = try self.state.withLock { (state) throws(Failure) in
            state.calls.append(kind)
            if let failure = state.failure { throw failure }
            do {
                return try Self.answer(kind, slot: slot, payload, &state)
            } catch let failure as Failure {
                throw failure
            } catch {
                throw Failure(.internal, "\(error)")
            }
        }
        do {
            return try Response(decoding: answer)
        } catch {
            throw Failure(.internal, "\(error)")
        }
    }

    func users(_ users: [UserID]) async throws(Failure) -> [UserProfile] {
        try self.state.withLock { (state) throws(Failure) in
            if let failure = state.failure { throw failure }
            guard state.questionsUntilCreated == 0 else {
                state.questionsUntilCreated -= 1
                return []
            }
            return users.compactMap { state.users[$0] }.map(\.profile)
        }
    }

    func conversationSummaries(
        _ conversations: [ConversationID],
        of user: UserID
    ) async throws(Failure) -> [ConversationSummary] {
        self.state.withLock { state in
            state.summaryQuestions.append(conversations)
            return conversations.reversed().compactMap { id in
                guard let found = state.conversations[id], let own = found.members.first(where: { $0.user == user })
                else { return nil }
                return ConversationSummary(
                    conversation: found.conversation,
                    own: own,
                    memberCount: UInt32(found.members.count),
                    lastMessage: state.messages[id]?.last
                )
            }
        }
    }

    func submit(_ submit: Submit) async throws(Failure) -> Accepted {
        try self.state.withLock { (state) throws(Failure) in
            if let failure = state.failure { throw failure }
            guard var found = state.conversations[submit.conversation],
                found.members.contains(where: { $0.user == submit.sender })
            else { throw .noSuchConversation }
            let known = state.messages[submit.conversation, default: []]
            if let first = known.first(where: { $0.clientMessageID == submit.clientMessageID }) {
                return Accepted(seq: first.seq, createdAt: first.createdAt, duplicate: true)
            }
            let message = Message(
                conversation: submit.conversation,
                seq: UInt64(known.count + 1),
                sender: submit.sender,
                senderDevice: submit.senderDevice,
                clientMessageID: submit.clientMessageID,
                kind: submit.kind,
                body: submit.body,
                createdAt: 1_800_000_000_000
            )
            state.messages[submit.conversation, default: []].append(message)
            found.conversation.headSeq = message.seq
            state.conversations[submit.conversation] = found
            return Accepted(seq: message.seq, createdAt: message.createdAt, duplicate: false)
        }
    }

    // MARK: - Requests

    private static func answer(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        switch kind {
        case .registerUser, .resolveUsername, .getCredentials, .putDevice, .rotateRefreshToken, .revokeDevice,
            .setPresence:
            try Self.answerAccount(kind, slot: slot, payload, &state)
        case .listConversations, .readMessages:
            try Self.answerRead(kind, slot: slot, payload, &state)
        case .storeReceipts, .getReceipts, .getMessageStatus:
            try Self.answerReceipt(kind, slot: slot, payload, &state)
        default:
            try Self.answerConversation(kind, slot: slot, payload, &state)
        }
    }

    private static func answerAccount(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        switch kind {
        case .registerUser:
            let request = try RegisterUser(decoding: payload)
            try Self.check(Slot(ofName: request.username) == slot)
            guard state.names[request.username] == nil else { throw Failure(.usernameTaken, "taken") }
            state.names[request.username] = request.user
            state.users[request.user] = request
            return Empty().encoded()
        case .resolveUsername:
            let request = try ResolveUsername(decoding: payload)
            try Self.check(Slot(ofName: request.username) == slot)
            return ResolvedUsername(user: state.names[request.username]).encoded()
        case .getCredentials:
            let request = try GetCredentials(decoding: payload)
            try Self.check(Slot(of: request.user.value) == slot)
            guard let user = state.users[request.user] else { throw Failure(.unknownUser, "unknown") }
            return Credentials(profile: user.profile, passwordHash: user.passwordHash).encoded()
        case .putDevice:
            let request = try PutDevice(decoding: payload)
            try Self.check(Slot(of: request.user.value) == slot)
            state.refreshHashes[request.device] = request.refreshTokenHash
            return Empty().encoded()
        case .rotateRefreshToken:
            let request = try RotateRefreshToken(decoding: payload)
            try Self.check(Slot(of: request.user.value) == slot)
            guard !state.usedHashes.contains(request.presentedHash) else {
                state.refreshHashes[request.device] = nil
                throw Failure(.refreshTokenReused, "reused")
            }
            guard state.refreshHashes[request.device] == request.presentedHash else {
                throw Failure(.unauthenticated, "unknown")
            }
            state.usedHashes.insert(request.presentedHash)
            state.refreshHashes[request.device] = request.newHash
            return Empty().encoded()
        case .setPresence:
            let request = try SetPresence(decoding: payload)
            try Self.check(Slot(of: request.user.value) == slot)
            let settings = PresenceSettings(
                status: request.status ?? .online,
                visibility: request.visibility ?? .everyone
            )
            return PresenceProfileBody(PresenceProfile(settings: settings)).encoded()
        default:
            let request = try RevokeDevice(decoding: payload)
            state.refreshHashes[request.device] = nil
            return Empty().encoded()
        }
    }

    private static func answerRead(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        if kind == .listConversations {
            let request = try ListConversations(decoding: payload)
            try Self.check(Slot(of: request.user.value) == slot)
            let all = state.conversations.values
                .filter { $0.members.contains { $0.user == request.user } }
                .map(\.conversation.id).sorted(by: >)
                .filter { id in request.after.map { id < $0 } ?? true }
            let page = Array(all.prefix(Int(request.limit)))
            return ConversationIDList(conversations: page, hasMore: all.count > page.count).encoded()
        }
        let request = try ReadMessages(decoding: payload)
        let found = try Self.conversation(request.conversation, for: request.reader, slot, state)
        let all = state.messages[request.conversation, default: []]
        let matching =
            switch request.position {
            case .after(let seq): Array(all.filter { $0.seq > seq }.prefix(Int(request.limit)))
            case .before(let seq): Array(all.filter { $0.seq < seq ?? .max }.suffix(Int(request.limit)))
            }
        return MessagePage(
            messages: matching,
            headSeq: found.conversation.headSeq,
            hasMore: all.count > matching.count
        ).encoded()
    }

    private static func answerConversation(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        switch kind {
        case .createConversation:
            let request = try CreateConversation(decoding: payload)
            try Self.check(Slot(of: request.conversation.value) == slot)
            if let found = state.conversations[request.conversation] { return found.encoded() }
            let conversation = Conversation(
                id: request.conversation,
                kind: request.kind,
                title: request.title,
                createdBy: request.creator,
                createdAt: 1_800_000_000_000,
                headSeq: 0
            )
            let owner = Member(user: request.creator, role: request.kind == .direct ? .member : .owner)
            let members = [owner] + request.members.map { Member(user: $0, role: .member) }
            let made = ConversationState(conversation: conversation, members: members)
            state.conversations[conversation.id] = made
            return made.encoded()
        case .getConversation:
            let request = try GetConversation(decoding: payload)
            return try Self.conversation(request.conversation, for: request.actor, slot, state).encoded()
        case .updateConversation:
            let request = try UpdateConversation(decoding: payload)
            var found = try Self.conversation(request.conversation, for: request.actor, slot, state)
            found.conversation.title = request.title
            state.conversations[request.conversation] = found
            return found.encoded()
        case .deleteConversation:
            let request = try DeleteConversation(decoding: payload)
            _ = try Self.conversation(request.conversation, for: request.actor, slot, state)
            state.conversations[request.conversation] = nil
            return Empty().encoded()
        default:
            return try Self.answerMember(kind, slot: slot, payload, &state)
        }
    }

    private static func answerMember(
        _ kind: RequestKind,
        slot: Slot,
        _ payload: ByteBuffer,
        _ state: inout State
    ) throws -> ByteBuffer {
        var found: ConversationState
        switch kind {
        case .addMembers:
            let request = try AddMembers(decoding: payload)
            found = try Self.conversation(request.conversation, for: request.actor, slot, state)
            found.members += request.users.map { Member(user: $0, role: .member) }
        case .setMemberRole:
            let request = try SetMemberRole(decoding: payload)
            found = try Self.conversation(request.conversation, for: request.actor, slot, state)
            found.members = found.members.map { member in
                member.user == request.user ? Member(user: member.user, role: request.role) : member
            }
        case .removeMember:
            let request = try RemoveMember(decoding: payload)
            found = try Self.conversation(request.conversation, for: request.actor, slot, state)
            guard request.user != request.actor else { throw Failure(.lastOwner, "the last owner") }
            found.members.removeAll { $0.user == request.user }
        default:
            throw Failure(.internal, "\(kind) is not scripted")
        }
        state.conversations[found.conversation.id] = found
        return found.encoded()
    }

    static func conversation(
        _ id: ConversationID,
        for user: UserID,
        _ slot: Slot,
        _ state: State
    ) throws -> ConversationState {
        try Self.check(Slot(of: id.value) == slot)
        guard let found = state.conversations[id], found.members.contains(where: { $0.user == user }) else {
            throw Failure.noSuchConversation
        }
        return found
    }

    private static func check(_ isOwnSlot: Bool) throws {
        guard isOwnSlot else { throw Failure(.internal, "the request names the wrong slot") }
    }
}

extension RegisterUser {
    fileprivate var profile: UserProfile {
        UserProfile(id: self.user, username: self.username, displayName: self.displayName, createdAt: self.createdAt)
    }
}
