// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore
internal import Wire

/// Up to which message nothing of a conversation goes to those who were put out of it. Pure.
///
/// The owner of a conversation puts nothing on a link behind its own notice of a removal. But the slot may have had
/// another owner before, which still reaches this edge while the new one cannot reach it: what that one had under way
/// would come after the removal was acknowledged (contract C8). It is told apart by its `seq`: a user who is a member
/// again is sent larger ones only.
struct FormerMembers {
    /// Longer than a message can wait in a router: for the registry, for a link that is silent, or for a process that is
    /// frozen, whose links are given up meanwhile.
    static let lifetime = TimeAmount.seconds(60)
    /// Users of all notices together. Beyond it the oldest notices are forgotten, which leaves the removals themselves as
    /// they are: only a late message of a former owner would pass.
    static let usersMax = 1_000_000

    private struct Notice {
        var conversation: ConversationID
        var users: Set<UserID>
        var through: UInt64
        var until: NIODeadline
    }

    /// In the order of their coming.
    private var notices: [Notice] = []
    private var userCount = 0
    private let usersMax: Int

    init(usersMax: Int = Self.usersMax) {
        self.usersMax = usersMax
    }

    var isEmpty: Bool { self.notices.isEmpty }

    /// An owner says that these users are out, and up to which `seq`.
    mutating func left(_ conversation: ConversationID, _ users: [UserID], through seq: UInt64, now: NIODeadline) {
        let notice = Notice(
            conversation: conversation,
            users: Set(users),
            through: seq,
            until: now + Self.lifetime
        )
        self.notices.append(notice)
        self.userCount += notice.users.count
        self.forget(now: now)
    }

    /// Those of the recipients of a message who may have it.
    func allowed(_ recipients: [UserID], _ conversation: ConversationID, seq: UInt64) -> [UserID] {
        let concerned = self.notices.filter { $0.conversation == conversation && $0.through >= seq }
        guard !concerned.isEmpty else { return recipients }
        return recipients.filter { user in !concerned.contains { $0.users.contains(user) } }
    }

    /// Forgets what is old, and what there is no room for.
    mutating func forget(now: NIODeadline) {
        var count = 0
        while count < self.notices.count, self.userCount > self.usersMax || self.notices[count].until <= now {
            self.userCount -= self.notices[count].users.count
            count += 1
        }
        self.notices.removeFirst(count)
    }
}
