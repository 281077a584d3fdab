// SPDX-License-Identifier: Apache-2.0

/// Why the storage path could not be measured; the description says what to do.
package struct StorageBenchmarkError: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// What is stored how, the same for every way that is compared.
package struct StorageSettings: Sendable {
    /// A connection string or URI of libpq. Its user must be allowed to make databases.
    package var connection: String
    package var connections: Int
    /// Messages of one transaction.
    package var batch: Int
    /// Of each connection; a batch goes through them in turn.
    package var conversations: Int
    package var bodyBytes: Int
    /// Of one measurement, and before it.
    package var seconds: Double
    package var warmUpSeconds: Double
    /// The ways take turns, so that what else the machine does falls on all of them.
    package var rounds: Int

    package init(
        connection: String,
        connections: Int = 2,
        batch: Int = 512,
        conversations: Int = 256,
        bodyBytes: Int = 120,
        seconds: Double = 3,
        warmUpSeconds: Double = 1,
        rounds: Int = 3
    ) {
        self.connection = connection
        self.connections = connections
        self.batch = batch
        self.conversations = conversations
        self.bodyBytes = bodyBytes
        self.seconds = seconds
        self.warmUpSeconds = warmUpSeconds
        self.rounds = rounds
    }

    var body: String {
        String(repeating: "lorem ipsum ", count: self.bodyBytes / 12 + 1).prefix(self.bodyBytes).description
    }
}
