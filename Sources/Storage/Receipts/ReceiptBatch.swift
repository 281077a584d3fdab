// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres

/// A member of a conversation.
package struct MemberKey: Hashable, Sendable {
    package var conversation: ConversationID
    package var user: UserID

    package init(conversation: ConversationID, user: UserID) {
        self.conversation = conversation
        self.user = user
    }
}

/// Watermarks of any number of members of any number of conversations, to be stored in one statement: one row for each
/// member, however many receipts it comes from. How many rows it may hold is for the caller to decide.
package struct ReceiptBatch: Sendable {
    package private(set) var rows: [MemberKey: Watermarks] = [:]

    package init() {}

    package var rowCount: Int { self.rows.count }
    package var isEmpty: Bool { self.rows.isEmpty }

    package mutating func merge(_ watermarks: Watermarks, of member: MemberKey) {
        self.rows[member, default: .zero].formUnion(watermarks)
    }

    /// `$2` to `$5` of the statement that stores it, in an order that is the same for all: two statements that touch the
    /// same rows take them one after the other.
    var columns: [PostgresValue] {
        let ordered = self.rows.sorted { left, right in
            (left.key.conversation, left.key.user) < (right.key.conversation, right.key.user)
        }
        return [
            .ids(ordered.map(\.key.conversation)), .ids(ordered.map(\.key.user)),
            .int8Array(ordered.map { Int64(clamping: $0.value.delivered) }),
            .int8Array(ordered.map { Int64(clamping: $0.value.read) }),
        ]
    }
}
