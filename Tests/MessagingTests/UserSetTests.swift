// SPDX-License-Identifier: Apache-2.0

import Messaging
import TestSupport
import Testing

@Suite("Users, each once")
struct UserSetTests {
    @Test("It holds what a set holds, small and large", arguments: 0..<20)
    func likeASet(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let range = seed.isMultiple(of: 2) ? 1...40 : 1...400 as ClosedRange<UInt64>
        var expected: Set<UserID> = Set((0..<range.upperBound / 3).map { UserID(value: UInt128($0 + 1)) })
        var users = UserSet(Array(expected))
        for _ in 0..<2000 {
            let user = UserID(value: UInt128(UInt64.random(in: range, using: &random)))
            if Bool.random(using: &random) {
                let isNew = users.insert(user)
                #expect(isNew == expected.insert(user).inserted, "seed \(seed)")
            } else {
                let wasThere = users.remove(user)
                #expect(wasThere == (expected.remove(user) != nil), "seed \(seed)")
            }
            #expect(users.contains(user) == expected.contains(user), "seed \(seed)")
        }
        #expect(users.count == expected.count && Set(users.users) == expected, "seed \(seed)")
    }
}
