// SPDX-License-Identifier: Apache-2.0

import Messaging

extension MemberList {
    /// A part of the members, so that an answer stays small however many there are.
    ///
    /// - Parameters:
    ///   - after: those with larger ids only.
    ///   - count: at most so many; at least 1.
    /// - Returns: in the order of their ids; all members, where they are few enough and nothing was said of `after`, in the
    ///   order of the list.
    package func page(after: UserID? = nil, atMost count: Int) -> [Member] {
        guard after != nil || self.users.count > count else { return self.all }
        return self.smallest(count, after: after).compactMap { self[$0] }
    }

    /// By one pass, without sorting all of them.
    private func smallest(_ count: Int, after: UserID?) -> [UserID] {
        var found: [UserID] = []
        var bound: UserID?
        func cut() {
            found.sort()
            found = Array(found.prefix(count))
            if found.count == count { bound = found.last }
        }
        for user in self.users where after.map({ user > $0 }) ?? true && bound.map({ user < $0 }) ?? true {
            found.append(user)
            if found.count >= 2 * count { cut() }
        }
        cut()
        return found
    }
}
