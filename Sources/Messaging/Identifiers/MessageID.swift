// SPDX-License-Identifier: Apache-2.0

/// The public id of a message: its conversation and its number there, written `CONVERSATION.SEQ`.
///
/// It carries its own address, so any edge can route a request about a message without a look-up.
package struct MessageID: Hashable, Sendable, CustomStringConvertible {
    package var conversation: ConversationID
    /// The message's place in its conversation, from 1, without gaps (contract C3).
    package var seq: UInt64

    package init(conversation: ConversationID, seq: UInt64) {
        self.conversation = conversation
        self.seq = seq
    }

    /// Reads the text form. The number has neither sign nor leading zeros, so that one message has one id.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let conversation = ConversationID(parts[0]), let first = parts[1].utf8.first,
            UInt8(ascii: "1")...UInt8(ascii: "9") ~= first, let seq = UInt64(parts[1])
        else {
            return nil
        }
        self.init(conversation: conversation, seq: seq)
    }

    package var description: String {
        "\(self.conversation).\(self.seq)"
    }
}
