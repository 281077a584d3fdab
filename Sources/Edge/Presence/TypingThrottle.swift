// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore

/// How often the typing of one session goes on. Pure. A client may say that its user types as often as it likes.
struct TypingThrottle {
    /// Between two times that "is typing" goes on for one conversation.
    static let interval = TimeAmount.milliseconds(2500)
    /// How long receivers show it: longer than ``interval``, so that it does not flicker while the user goes on.
    static let expiryMilliseconds = 6000
    /// Conversations that are remembered; over it the ones that are over are forgotten, or typing does not go on.
    static let conversationsMax = 8

    private struct Last {
        var time: NIODeadline
        var isTyping: Bool
    }

    private var conversations: [ConversationID: Last] = [:]

    /// Whether it goes on. "Has stopped" does once after each "is typing" that did.
    mutating func passes(_ conversation: ConversationID, isTyping: Bool, now: NIODeadline) -> Bool {
        if let last = self.conversations[conversation] {
            guard isTyping ? now - last.time >= Self.interval : last.isTyping else { return false }
        } else {
            guard isTyping else { return false }
            if self.conversations.count >= Self.conversationsMax {
                self.conversations = self.conversations.filter { now - $0.value.time < Self.interval }
            }
            guard self.conversations.count < Self.conversationsMax else { return false }
        }
        let time = isTyping ? now : self.conversations[conversation]?.time ?? now
        self.conversations[conversation] = Last(time: time, isTyping: isTyping)
        return true
    }
}
