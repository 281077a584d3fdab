// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

@testable import Router

@Suite("Pages of members")
struct MemberPageTests {
    @Test("Page by page every member comes once, in the order of the ids", arguments: [1, 7, 100, 1000])
    func allPages(_ count: Int) {
        var random = SeededRandom(seed: UInt64(count))
        let users = (1...2500).map { UserID(value: UInt128($0 * 3)) }.shuffled(using: &random)
        let list = MemberList(users.map { Member(user: $0, role: .member) }, version: 1)
        var seen: [UserID] = []
        while true {
            let page = list.page(after: seen.last, atMost: count)
            seen += page.map(\.user)
            guard page.count == count else { break }
        }
        #expect(seen == users.sorted())
    }

    @Test("Where all fit, they come as the list has them")
    func fit() {
        let users = [3, 1, 2].map { UserID(value: $0) }
        let list = MemberList(users.map { Member(user: $0, role: .member) }, version: 1)
        #expect(list.page(atMost: 3).map(\.user) == users)
        #expect(list.page(atMost: 2).map(\.user) == [UserID(value: 1), UserID(value: 2)])
        #expect(list.page(after: UserID(value: 3), atMost: 5).isEmpty)
    }
}
