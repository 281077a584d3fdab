// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// Requests that change a conversation or need its members as the owner knows them.
package enum ConversationOperations {
    package static func operation(_ call: Call) throws(FieldError) -> WriterOperation {
        switch call.kind {
        case .createConversation:
            let request = try CreateConversation(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.create(request, &scope) }
        case .getConversation:
            let request = try GetConversation(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.get(request, &scope) }
        case .updateConversation:
            let request = try UpdateConversation(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.update(request, &scope) }
        case .deleteConversation:
            let request = try DeleteConversation(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.delete(request, &scope) }
        case .addMembers:
            let request = try AddMembers(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.add(request, &scope) }
        case .setMemberRole:
            let request = try SetMemberRole(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.setRole(request, &scope) }
        case .removeMember:
            let request = try RemoveMember(decoding: call.payload)
            return WriterOperation(call) { (scope) throws(StorageError) in try Self.remove(request, &scope) }
        default:
            preconditionFailure("\(call.kind) is not a change of a conversation")
        }
    }

    // MARK: - The requests

    private static func create(
        _ request: CreateConversation,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard Slot(of: request.conversation.value) == scope.slot else { return .failed(Self.wrongSlot) }
        let conversation = Conversation(
            id: request.conversation,
            kind: request.kind,
            title: request.title,
            createdBy: request.creator,
            createdAt: scope.now,
            headSeq: 0
        )
        let members = Self.firstMembers(request)
        guard members.count <= Limits.conversationMembersMax else { return .failed(Self.tooManyMembers) }
        let created = try scope.store.createConversation(
            conversation,
            members: members,
            epoch: scope.epoch,
            outbox: Self.outbox(conversation, removed: false, now: scope.now)
        )
        switch created {
        case .created(let state, let outbox):
            let list = scope.changed(state)
            let event = Self.event(.created, state.conversation, by: request.creator, about: members)
            return OperationOutcome(
                .ok(Self.shown(state.conversation, list)),
                parcels: [Parcel(conversation: conversation.id, content: .event(event), members: list)],
                outbox: outbox
            )
        case .existed(let state):
            // Made before, by this same request or, for a direct one, by the other user: the creator is in it.
            let list = scope.changed(state)
            guard list[request.creator] != nil else { return .failed(.noSuchConversation) }
            return OperationOutcome(.ok(Self.shown(state.conversation, list)))
        case .deleted:
            return .failed(.noSuchConversation)
        }
    }

    /// A direct conversation has no roles; of a group or channel the creator is the owner.
    private static func firstMembers(_ request: CreateConversation) -> [Member] {
        let others = Set(request.members).subtracting([request.creator]).sorted()
        let creatorRole: MemberRole = request.kind == .direct ? .member : .owner
        return [Member(user: request.creator, role: creatorRole)] + others.map { Member(user: $0, role: .member) }
    }

    private static func get(
        _ request: GetConversation,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        guard let entry = try scope.conversation(request.conversation), entry.members[request.actor] != nil else {
            return .failed(.noSuchConversation)
        }
        let most = Limits.membersShownMax
        let count = request.membersMax > 0 ? min(most, Int(request.membersMax)) : most
        var state = Self.shown(entry.conversation, entry.members, after: request.membersAfter, atMost: count)
        state.members = state.members.map(entry.current)
        return OperationOutcome(.ok(state))
    }

    /// The conversation with those of its members that an answer has room for.
    private static func shown(
        _ conversation: Conversation,
        _ members: MemberList,
        after: UserID? = nil,
        atMost count: Int = Limits.membersShownMax
    ) -> Wire.ConversationState {
        Wire.ConversationState(
            conversation: conversation,
            members: members.page(after: after, atMost: count),
            memberCount: members.users.count
        )
    }

    private static func update(
        _ request: UpdateConversation,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        try Self.change(request.conversation, .rename, by: request.actor, event: .updated, &scope) {
            (_, scope) throws(StorageError) in
            try scope.store.updateTitle(request.conversation, title: request.title, epoch: scope.epoch)
        }
    }

    private static func delete(
        _ request: DeleteConversation,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        try Self.change(request.conversation, .delete, by: request.actor, event: .deleted, &scope) {
            (entry, scope) throws(StorageError) in
            try scope.store.deleteConversation(
                request.conversation,
                now: scope.now,
                epoch: scope.epoch,
                outbox: Self.outbox(entry.conversation, removed: true, now: scope.now)
            )
        }
    }

    private static func add(
        _ request: AddMembers,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        try Self.change(request.conversation, .add, by: request.actor, event: .memberAdded, &scope) {
            (entry, scope) throws(StorageError) in
            try scope.store.addMembers(
                request.conversation,
                Dictionary(request.users.map { ($0, MemberRole.member) }, uniquingKeysWith: { first, _ in first }),
                membersMax: Limits.conversationMembersMax,
                now: scope.now,
                epoch: scope.epoch,
                outbox: Self.outbox(entry.conversation, removed: false, now: scope.now)
            )
        }
    }

    private static func setRole(
        _ request: SetMemberRole,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        let action = ConversationAction.setRole(of: request.user, to: request.role)
        return try Self.change(request.conversation, action, by: request.actor, event: .roleChanged, &scope) {
            (_, scope) throws(StorageError) in
            try scope.store.setRole(
                request.conversation,
                user: request.user,
                role: request.role,
                now: scope.now,
                epoch: scope.epoch,
                outbox: { _ in [] }
            )
        }
    }

    private static func remove(
        _ request: RemoveMember,
        _ scope: inout WriterScope
    ) throws(StorageError) -> OperationOutcome {
        let action = ConversationAction.remove(request.user)
        var outcome = try Self.change(request.conversation, action, by: request.actor, event: .memberRemoved, &scope) {
            (entry, scope) throws(StorageError) in
            try scope.store.removeMember(
                request.conversation,
                user: request.user,
                now: scope.now,
                epoch: scope.epoch,
                outbox: Self.outbox(entry.conversation, removed: true, now: scope.now)
            )
        }
        // That somebody is no member is said only when nothing can reach them any more, the first time and every time: the
        // answer to the first request may have been lost, and then "no such member" is the acknowledgement (contract C8).
        if let entry = scope.sequencer[request.conversation], entry.members[request.user] == nil {
            outcome.departure = Departure([request.user], from: entry.conversation, members: entry.members)
        }
        return outcome
    }

    // MARK: - What they share

    /// Loads the conversation, checks the permission, runs the change, and tells the members.
    private static func change(
        _ id: ConversationID,
        _ action: ConversationAction,
        by actor: UserID,
        event: ConversationEventKind,
        _ scope: inout WriterScope,
        _ body: (Sequencer.Entry, WriterScope) throws(StorageError) -> ConversationChange
    ) throws(StorageError) -> OperationOutcome {
        guard let entry = try scope.conversation(id) else { return .failed(.noSuchConversation) }
        let kind = entry.conversation.kind
        if let refusal = Permissions.refusal(of: action, by: actor, in: kind, members: entry.members) {
            return .failed(refusal)
        }
        switch try body(entry, scope) {
        case .changed(let state, let users, let outbox):
            return Self.outcome(event, before: entry, state, users: users, outbox: outbox, by: actor, &scope)
        case .unchanged(let state):
            return OperationOutcome(.ok(Self.shown(state.conversation, scope.changed(state))))
        case .noSuchConversation:
            scope.deleted(id)
            return .failed(.noSuchConversation)
        case .tooManyMembers:
            return .failed(Self.tooManyMembers)
        }
    }

    private static func outcome(
        _ kind: ConversationEventKind,
        before: Sequencer.Entry,
        _ state: Storage.ConversationState,
        users: [UserID],
        outbox: [Int64],
        by actor: UserID,
        _ scope: inout WriterScope
    ) -> OperationOutcome {
        let after = MemberList(state.members, version: state.membersVersion)
        let about = kind == .deleted ? [] : users.compactMap { after[$0] ?? before.members[$0] }
        let event = Self.event(kind, state.conversation, by: actor, about: about)
        var parcel = Parcel(conversation: state.conversation.id, content: .event(event), members: after)
        var departure: Departure?
        if kind == .deleted {
            scope.deleted(state.conversation.id)
            parcel.members = before.members
            departure = Departure(before.members.users, from: state.conversation, members: before.members)
        } else {
            scope.changed(state.conversation, members: after)
            parcel.formerMembers = users.filter { after[$0] == nil }
        }
        return OperationOutcome(
            .ok(Self.shown(state.conversation, after)),
            parcels: [parcel],
            outbox: outbox,
            departure: departure
        )
    }

    private static func event(
        _ kind: ConversationEventKind,
        _ conversation: Conversation,
        by actor: UserID,
        about members: [Member]
    ) -> ConversationEvent {
        ConversationEvent(kind: kind, conversation: conversation, actor: actor, members: members, recipients: [])
    }

    /// Carries the change to the lists of those whom it is about.
    private static func outbox(
        _ conversation: Conversation,
        removed: Bool,
        now: UnixMilliseconds
    ) -> (Storage.MembershipChange) -> [OutboxEntry] {
        { change in
            change.users.map { user in
                let body = Wire.MembershipChange(
                    user: user,
                    conversation: conversation.id,
                    kind: conversation.kind,
                    version: change.membersVersion,
                    removed: removed,
                    changedAt: now
                )
                return OutboxEntry(
                    targetSlot: Slot(of: user.value),
                    kind: OutboxKind.membership.rawValue,
                    payload: Array(body.encoded().readableBytesView)
                )
            }
        }
    }

    private static let wrongSlot = Failure(.internal, "A request from another node names the wrong slot.")
    private static let tooManyMembers = Failure(
        .tooLarge,
        "A conversation has at most \(Limits.conversationMembersMax) members."
    )
}
