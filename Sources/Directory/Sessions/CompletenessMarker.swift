// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What an edge leaves in Redis when all of its sessions are registered: `INCARNATION|RUN_ID`.
///
/// The `run_id` is that of the Redis server's life in which the sessions were registered. A server that restarts from
/// an old dump brings the marker back, but without the sessions that were registered after the dump; its new
/// `run_id` gives the marker away.
struct CompletenessMarker: Hashable, Sendable {
    var incarnation: Incarnation
    var serverRunID: String

    init(incarnation: Incarnation, serverRunID: String) {
        self.incarnation = incarnation
        self.serverRunID = serverRunID
    }

    init?(stored text: String) {
        guard text.utf8.count <= 256, let separator = text.firstIndex(of: "|"),
            let incarnation = Incarnation(text[..<separator])
        else { return nil }
        self.init(incarnation: incarnation, serverRunID: String(text[text.index(after: separator)...]))
    }

    var stored: String {
        "\(self.incarnation)|\(self.serverRunID)"
    }
}
