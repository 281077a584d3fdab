// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing
import Wire

@testable import Edge

@Suite("What was found for numbered audiences")
struct AudienceCacheTests {
    private let conversation = ConversationID(value: 7)

    private func mark(_ revision: UInt64, of conversation: UInt128 = 7) -> NumberedAudiences.Mark {
        NumberedAudiences.Mark(router: "a", conversation: ConversationID(value: conversation), revision: revision)
    }

    @Test("It holds for the same recipients and the same sessions only")
    func holds() {
        var cache = AudienceCache<String>()
        cache.remember("first", size: 3, self.mark(1), 10)
        #expect(cache.found(self.mark(1), 10) == "first")
        #expect(cache.found(self.mark(1), 11) == nil)
        #expect(cache.found(self.mark(2), 10) == nil)
        #expect(cache.found(self.mark(1, of: 8), 10) == nil)
        cache.remember("second", size: 4, self.mark(2), 11)
        #expect(cache.found(self.mark(2), 11) == "second")
        #expect(cache.recipientCount == 4)
    }

    @Test("Over the bound everything is let go, and what is too large is not kept")
    func bound() {
        var cache = AudienceCache<Int>(recipientsMax: 10)
        for number in 1...20 {
            cache.remember(number, size: 3, self.mark(1, of: UInt128(number)), 1)
            #expect(cache.recipientCount <= 10)
            #expect(cache.found(self.mark(1, of: UInt128(number)), 1) == number)
        }
        cache.remember(0, size: 11, self.mark(1), 1)
        #expect(cache.found(self.mark(1), 1) == nil)
        #expect(cache.recipientCount == 0)
    }

    @Test("Another life of a router that begins to count anew is not taken for the one before")
    func anotherLife() throws {
        var audiences = NumberedAudiences()
        func tell(_ user: UInt128) throws -> NumberedAudiences.Mark {
            let users = [UserID(value: user)]
            audiences.take(
                AudienceUpdate(conversation: self.conversation, number: 1, kind: .all, users: users),
                from: "a"
            )
            return try #require(audiences.recipients(self.conversation, number: 1, from: "a")).0
        }
        let first = try tell(1)
        audiences.forget("a")
        #expect(try tell(2) != first)
    }
}
