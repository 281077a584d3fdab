// SPDX-License-Identifier: Apache-2.0

/// For guests that are in a conversation now: the first message of which it is certain that it was sent to them, as the
/// senders of one event loop know it. Pure.
package struct StayWatch: Sendable {
    private struct Stay {
        var conversation: Int
        var since: Int64
        var first: UInt64?
    }

    /// By user.
    private var stays: [Int: Stay] = [:]

    package init() {}

    /// - Parameter time: When the user was certainly in, in nanoseconds after the start of the sending.
    package mutating func begin(_ user: Int, in conversation: Int, since time: Int64) {
        self.stays[user] = Stay(conversation: conversation, since: time)
    }

    package mutating func end(_ user: Int) {
        self.stays[user] = nil
    }

    /// - Parameter due: When the plan has the message.
    package mutating func acknowledged(_ seq: UInt64, in conversation: Int, due: Int64) {
        guard !self.stays.isEmpty else { return }
        for (user, stay) in self.stays where stay.conversation == conversation && due > stay.since {
            self.stays[user]?.first = min(seq, stay.first ?? .max)
        }
    }

    package func firstCertain(of user: Int) -> UInt64? { self.stays[user]?.first }
}
