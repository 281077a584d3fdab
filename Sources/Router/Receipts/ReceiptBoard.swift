// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What a router knows of the receipts of one conversation that it has in memory. A value.
///
/// Everything in here is committed and the others were told of it, so what it covers needs no transaction: of the
/// receipts of a user's second and third device nearly all. It starts empty whenever the conversation is loaded: whoever
/// stored a watermark before may have died before telling, so the first receipt of a member after that goes to the
/// database, which checks the fence, and is told even when it was stored already.
package struct ReceiptBoard: Sendable {
    /// At most one for each member.
    private var told: [UserID: Watermarks] = [:]

    package init() {}

    /// Whether so much is stored for the user, and told.
    func covers(_ watermarks: Watermarks, of user: UserID) -> Bool {
        (self.told[user] ?? .zero).covers(watermarks)
    }

    /// What is stored for the member, at least.
    package func watermarks(of member: Member) -> Watermarks {
        member.watermarks.union(self.told[member.user] ?? .zero)
    }

    /// Takes what is stored for a member. Returns what the others have not been told yet, or nil.
    ///
    /// A number that they know already is brought down so far that it says nothing: `delivered` to `read`, `read` to 0.
    mutating func tell(_ stored: Watermarks, of user: UserID) -> Watermarks? {
        let before = self.told[user] ?? .zero
        guard !before.covers(stored) else { return nil }
        let after = before.union(stored)
        self.told[user] = after
        let read = after.read > before.read ? after.read : 0
        return Watermarks(delivered: after.delivered > before.delivered ? after.delivered : read, read: read)
    }

    /// The same conversation with other members.
    func kept(for members: MemberList) -> ReceiptBoard {
        var board = self
        board.told = self.told.filter { members[$0.key] != nil }
        return board
    }
}
