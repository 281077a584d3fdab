// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What is known of conversations without asking for it, and how often something may be asked for. Pure.
///
/// The kind of a conversation never changes, so what was learned once holds.
struct TypingGate {
    /// Conversations whose kind is remembered; over it all are forgotten and learned anew.
    static let conversationsMax = 50_000
    /// Conversations that may be loaded or looked up for the sake of typing, in one second.
    static let looksPerSecondMax = 50

    private var kinds: [ConversationID: ConversationKind] = [:]
    private var second: UInt64 = 0
    private var looks = 0

    func kind(of conversation: ConversationID) -> ConversationKind? {
        self.kinds[conversation]
    }

    mutating func learned(_ kind: ConversationKind, of conversation: ConversationID) {
        if self.kinds.count >= Self.conversationsMax { self.kinds = [:] }
        self.kinds[conversation] = kind
    }

    /// Whether one more conversation may be looked at now.
    ///
    /// - Parameter second: of a clock that only goes forward.
    mutating func mayLook(second: UInt64) -> Bool {
        if second != self.second {
            self.second = second
            self.looks = 0
        }
        guard self.looks < Self.looksPerSecondMax else { return false }
        self.looks += 1
        return true
    }
}
