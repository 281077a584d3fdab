// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Testing

@testable import Edge

@Suite("Former members")
struct FormerMembersTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let conversation = ConversationID(value: 1)
    private let other = ConversationID(value: 2)
    private let alice = UserID(value: 10)
    private let bob = UserID(value: 11)

    @Test("What they may not have any more is kept from them alone, in that conversation, up to that message")
    func keepsFrom() {
        var former = FormerMembers()
        former.left(self.conversation, [self.alice], through: 5, now: Self.start)
        let both = [self.alice, self.bob]
        #expect(former.allowed(both, self.conversation, seq: 5) == [self.bob])
        #expect(former.allowed(both, self.conversation, seq: 6) == both)
        #expect(former.allowed(both, self.other, seq: 5) == both)
        // Out, in again, and out again.
        former.left(self.conversation, [self.alice], through: 9, now: Self.start)
        #expect(former.allowed(both, self.conversation, seq: 6) == [self.bob])
    }

    @Test("A notice is forgotten when nothing late can come any more")
    func forgets() {
        var former = FormerMembers()
        former.left(self.conversation, [self.alice], through: 5, now: Self.start)
        former.forget(now: Self.start + FormerMembers.lifetime - .nanoseconds(1))
        #expect(!former.isEmpty)
        former.forget(now: Self.start + FormerMembers.lifetime)
        #expect(former.isEmpty)
    }

    @Test("Over the bound the oldest notices go, and one that is larger than the bound is not kept")
    func bounded() {
        var former = FormerMembers(usersMax: 3)
        former.left(self.conversation, [self.alice, self.bob], through: 5, now: Self.start)
        former.left(self.other, [self.alice], through: 5, now: Self.start)
        #expect(former.allowed([self.alice], self.conversation, seq: 1).isEmpty)
        former.left(self.other, [self.bob], through: 5, now: Self.start)
        #expect(former.allowed([self.alice], self.conversation, seq: 1) == [self.alice])
        #expect(former.allowed([self.alice, self.bob], self.other, seq: 1).isEmpty)
        former.left(self.conversation, (0..<4).map { UserID(value: $0) }, through: 5, now: Self.start)
        #expect(former.isEmpty)
    }
}
