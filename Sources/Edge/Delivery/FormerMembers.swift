// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore

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
        var users: Set<UserID>
        var through: UInt64
    }

    /// Of each conversation in the order of their coming.
    private var notices: [ConversationID: [Notice]] = [:]
    /// All notices in the order of their coming.
    private var order: [(conversation: ConversationID, until: NIODeadline)] = []
    private var userCount = 0
    private let usersMax: Int

    init(usersMax: Int = Self.usersMax) {
        self.usersMax = usersMax
    }

    var isEmpty: Bool { self.notices.isEmpty }

    /// An owner says that these users are out, and up to which `seq`.
    mutating func left(_ conversation: ConversationID, _ users: [UserID], through seq: UInt64, now: NIODeadline) {
        guard !users.isEmpty else { return }
        let notice = Notice(users: Set(users), through: seq)
        self.notices[conversation, default: []].append(notice)
        self.order.append((conversation, now + Self.lifetime))
        self.userCount += notice.users.count
        self.forget(now: now)
    }

    /// Those of the recipients of a message who may have it.
    func allowed(_ recipients: [UserID], _ conversation: ConversationID, seq: UInt64) -> [UserID] {
        let concerned = self.notices[conversation]?.filter { $0.through >= seq } ?? []
        guard !concerned.isEmpty else { return recipients }
        return recipients.filter { user in !concerned.contains { $0.users.contains(user) } }
    }

    /// Forgets what is old, and what there is no room for.
    mutating func forget(now: NIODeadline) {
        var count = 0
        while count < self.order.count, self.userCount > self.usersMax || self.order[count].until <= now {
            let conversation = self.order[count].conversation
            if var own = self.notices.removeValue(forKey: conversation), !own.isEmpty {
                self.userCount -= own.removeFirst().users.count
                if !own.isEmpty { self.notices[conversation] = own }
            }
            count += 1
        }
        self.order.removeFirst(count)
    }
}
