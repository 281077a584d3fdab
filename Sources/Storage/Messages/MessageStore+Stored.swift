// SPDX-License-Identifier: Apache-2.0

import Messaging

extension MessageStore {
    /// Which of these are stored, as they are stored.
    package func stored(_ keys: [MessageKey]) throws(StorageError) -> [MessageKey: Message] {
        var messages: [MessageKey: Message] = [:]
        for (key, place) in try self.findStored(keys) {
            messages[key] = try self.readMessages(
                key.conversation,
                after: place.seq - 1,
                before: nil,
                limit: 1,
                notBefore: 0
            ).first { $0.seq == place.seq }
        }
        return messages
    }
}
