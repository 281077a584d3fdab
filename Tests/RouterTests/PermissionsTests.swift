// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing

@testable import Router

@Suite("Permissions")
struct PermissionsTests {
    /// 1 and 5 are owners where two are needed, 2 an admin, 3 and 4 members, 9 a stranger.
    private static let list = members([1: .owner, 2: .admin, 3: .member, 4: .member, 6: .admin])

    private static func code(
        _ action: ConversationAction,
        by actor: UInt64,
        in kind: ConversationKind,
        _ list: MemberList = Self.list
    ) -> ErrorCode? {
        Permissions.refusal(of: action, by: user(actor), in: kind, members: list)?.code
    }

    @Test("Posting: members of a group, only owners and admins of a channel, never strangers")
    func post() {
        for actor in [1, 2, 3] as [UInt64] {
            #expect(Self.code(.post, by: actor, in: .group) == nil)
        }
        #expect(Self.code(.post, by: 9, in: .group) == .notFound)
        #expect(Self.code(.post, by: 1, in: .channel) == nil)
        #expect(Self.code(.post, by: 2, in: .channel) == nil)
        #expect(Self.code(.post, by: 3, in: .channel) == .notFound)
        #expect(Self.code(.post, by: 9, in: .direct) == .notFound)
    }

    @Test("Renaming and adding: owners and admins, and never in a direct conversation")
    func renameAndAdd() {
        for action in [ConversationAction.rename, .add] {
            #expect(Self.code(action, by: 1, in: .group) == nil)
            #expect(Self.code(action, by: 2, in: .group) == nil)
            #expect(Self.code(action, by: 3, in: .group) == .notFound)
            #expect(Self.code(action, by: 9, in: .group) == .notFound)
            #expect(Self.code(action, by: 1, in: .direct) == .notFound)
        }
    }

    @Test("Deleting: owners only")
    func delete() {
        #expect(Self.code(.delete, by: 1, in: .group) == nil)
        #expect(Self.code(.delete, by: 2, in: .group) == .notFound)
        #expect(Self.code(.delete, by: 1, in: .direct) == .notFound)
    }

    @Test("Removing: admins remove members, owners remove anybody, everybody may leave")
    func remove() {
        #expect(Self.code(.remove(user(3)), by: 2, in: .group) == nil)
        #expect(Self.code(.remove(user(6)), by: 2, in: .group) == .notFound)
        #expect(Self.code(.remove(user(1)), by: 2, in: .group) == .notFound)
        #expect(Self.code(.remove(user(2)), by: 1, in: .group) == nil)
        #expect(Self.code(.remove(user(4)), by: 3, in: .group) == .notFound)
        #expect(Self.code(.remove(user(3)), by: 3, in: .group) == nil)
        #expect(Self.code(.remove(user(9)), by: 1, in: .group) == .unknownUser)
        #expect(Self.code(.remove(user(3)), by: 1, in: .direct) == .notFound)
    }

    @Test("The last owner neither leaves nor steps down; one of two may")
    func lastOwner() {
        let two = members([1: .owner, 5: .owner, 3: .member])
        #expect(Self.code(.remove(user(1)), by: 1, in: .group) == .lastOwner)
        #expect(Self.code(.setRole(of: user(1), to: .member), by: 1, in: .group) == .lastOwner)
        #expect(Self.code(.remove(user(1)), by: 1, in: .group, two) == nil)
        #expect(Self.code(.setRole(of: user(5), to: .admin), by: 1, in: .group, two) == nil)
    }

    @Test("Roles: owners only, and only of members")
    func roles() {
        #expect(Self.code(.setRole(of: user(3), to: .admin), by: 1, in: .group) == nil)
        #expect(Self.code(.setRole(of: user(3), to: .admin), by: 2, in: .group) == .notFound)
        #expect(Self.code(.setRole(of: user(9), to: .admin), by: 1, in: .group) == .unknownUser)
        #expect(Self.code(.setRole(of: user(3), to: .owner), by: 1, in: .direct) == .notFound)
    }
}
