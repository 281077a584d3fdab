// SPDX-License-Identifier: Apache-2.0

import Messaging
import Wire

/// Something that the members of a conversation are told.
package struct Parcel: Sendable {
    package enum Content: Sendable {
        case message(Message)
        /// Its `recipients` are filled in for each edge.
        case event(ConversationEvent)
        /// How far these members have come; private: each of them alone is told of it.
        case receipts([MemberWatermarks], isPrivate: Bool)
        /// Ephemeral. Its `recipients` are filled in for each edge.
        case typing(Typing)
        /// Told to nobody: the completion comes when what was sent before this cannot reach those who left any more.
        case settlement(Departure, completion: @Sendable () -> Void)
    }

    package var conversation: ConversationID
    package var content: Content
    /// Those who are told: the members at the moment that is told of.
    package var members: MemberList
    /// Users who are told though they are not members any more.
    package var formerMembers: [UserID]
    /// Members who joined after what is told of, and are not told: it is told once more, of an earlier time.
    package var laterMembers: Set<UserID> = []
    /// That of the change in the router's ``ChangeLog``; 0 when it has none.
    package var position: UInt64 = 0

    package init(
        conversation: ConversationID,
        content: Content,
        members: MemberList,
        formerMembers: [UserID] = []
    ) {
        self.conversation = conversation
        self.content = content
        self.members = members
        self.formerMembers = formerMembers
    }
}

extension Parcel {
    /// Who of these members is told.
    func recipients(among users: [UserID]) -> [UserID] {
        let users = self.laterMembers.isEmpty ? users : users.filter { !self.laterMembers.contains($0) }
        guard case .receipts(let entries, let isPrivate) = self.content else { return users }
        if isPrivate {
            let concerned = Set(entries.map(\.user))
            return users.filter { concerned.contains($0) }
        }
        // That something reached a device is news for the others only; what was read is news for one's own devices too.
        if let only = entries.first, entries.count == 1, only.watermarks.read == 0 {
            return users.filter { $0 != only.user }
        }
        return users
    }
}
