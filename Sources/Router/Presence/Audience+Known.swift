// SPDX-License-Identifier: Apache-2.0

import Messaging

extension Audience {
    /// An audience as it is known without asking anybody.
    package struct Known: Sendable {
        package var members: MemberList
        /// Whom to name on which edge.
        package var recipients: [(edge: String, users: [UserID])]
    }

    /// What is known of an audience at this moment, for what is ephemeral: nil rather than a look-up.
    package func known(_ conversation: ConversationID, now: UnixMilliseconds) -> Known? {
        guard let resolved = self.resolved(conversation, now: now) else { return nil }
        var known = Known(members: resolved.members, recipients: [])
        for (edge, users) in resolved.edges where !resolved.uncertain.contains(edge) {
            known.recipients.append((edge, users))
        }
        for edge in resolved.uncertain {
            known.recipients.append((edge, resolved.members.users))
        }
        return known
    }
}
