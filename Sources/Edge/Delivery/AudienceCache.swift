// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// What was found for the recipients of numbered audiences, for as long as neither the audience nor the sessions of this
/// edge change: a message to the same thousands of recipients as the one before looks nobody up. Pure.
struct AudienceCache<Found> {
    private struct Key: Hashable {
        var router: String
        var conversation: ConversationID

        init(_ mark: NumberedAudiences.Mark) {
            self.router = mark.router
            self.conversation = mark.conversation
        }
    }

    private struct Entry {
        var mark: NumberedAudiences.Mark
        var generation: UInt64
        var found: Found
        var size: Int
    }

    /// Recipients of all entries together; over it everything is let go, and found anew when it is used.
    let recipientsMax: Int
    private var entries: [Key: Entry] = [:]
    private(set) var recipientCount = 0

    init(recipientsMax: Int = 1_000_000) {
        self.recipientsMax = recipientsMax
    }

    /// - Parameter generation: grows whenever a session comes or goes.
    func found(_ mark: NumberedAudiences.Mark, _ generation: UInt64) -> Found? {
        guard let entry = self.entries[Key(mark)], entry.generation == generation, entry.mark == mark else {
            return nil
        }
        return entry.found
    }

    mutating func remember(_ found: Found, size: Int, _ mark: NumberedAudiences.Mark, _ generation: UInt64) {
        let key = Key(mark)
        self.recipientCount -= self.entries.removeValue(forKey: key)?.size ?? 0
        if self.recipientCount + size > self.recipientsMax {
            self.entries = [:]
            self.recipientCount = 0
        }
        guard size <= self.recipientsMax else { return }
        self.entries[key] = Entry(mark: mark, generation: generation, found: found, size: size)
        self.recipientCount += size
    }
}
