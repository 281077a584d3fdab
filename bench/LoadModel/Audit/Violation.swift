// SPDX-License-Identifier: Apache-2.0

/// One thing that the contract forbids and that happened.
package struct Violation: Sendable, Codable, Equatable, Hashable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Acknowledged, and not in the history under its number.
        case lost
        /// Acknowledged, and never handed over at a receiver.
        case undelivered
        /// Handed over again.
        case repeated
        /// Handed over without, or before, an earlier one.
        case gap
        /// A device saw another message under the number than the history has.
        case different
        /// One client message id under two numbers.
        case twoNumbers = "two_numbers"
        /// Two messages were acknowledged with one number.
        case sharedNumber = "shared_number"
        /// The history leaves out a number or is out of order.
        case sparseHistory = "sparse_history"
        /// A message from before the user was a member.
        case beforeJoin = "before_join"
        /// A message from after the user was one.
        case afterRemoval = "after_removal"
        /// A message that was not sent in this run, or not in this conversation.
        case foreign
        /// The body is not what was sent.
        case altered
        /// The history could not be read, so nothing can be said.
        case unreadable
    }

    package var kind: Kind
    /// The conversation's number in the plan.
    package var conversation: Int
    package var seq: UInt64?
    /// The user's number in the plan, where it is about a device.
    package var user: Int?
    /// The process of the load generator that found it, from 1, when there are several: each numbers its own users and
    /// conversations.
    package var process: Int?
    package var detail: String

    package init(_ kind: Kind, conversation: Int, seq: UInt64?, user: Int? = nil, _ detail: String) {
        self.kind = kind
        self.conversation = conversation
        self.seq = seq
        self.user = user
        self.detail = detail
    }

    /// In a line.
    package var line: String {
        let process = self.process.map { "process \($0) " } ?? ""
        let seq = self.seq.map { " seq \($0)" } ?? ""
        let user = self.user.map { " user \($0)" } ?? ""
        return "\(process)conversation \(self.conversation)\(seq)\(user): \(self.kind.rawValue): \(self.detail)"
    }
}
