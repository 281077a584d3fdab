// SPDX-License-Identifier: Apache-2.0

import BareLoop
import Messaging
import Placement
import Storage

/// The floor: the statement in a loop over libpq, written in C.
struct BarePath {
    /// What the router's connections are set to as well.
    private static let sessionSettings = """
        SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET jit = off;
        SET enable_seqscan = off
        """

    private let database: ScratchDatabase
    private let settings: StorageSettings
    private var conversations: [bareLoopConversation]

    init(_ database: ScratchDatabase, _ settings: StorageSettings, _ conversations: [Conversation]) {
        self.database = database
        self.settings = settings
        self.conversations = conversations.map { conversation in
            var plain = bareLoopConversation()
            withUnsafeMutableBytes(of: &plain.id) { $0.copyBytes(from: conversation.id.bytes) }
            withUnsafeMutableBytes(of: &plain.sender) { $0.copyBytes(from: conversation.createdBy.bytes) }
            plain.slot = Int16(Slot(of: conversation.id.value).number)
            return plain
        }
    }

    /// Rows per second.
    mutating func measure() throws(StorageBenchmarkError) -> Double {
        let (settings, epoch) = (self.settings, Int64(self.database.view.epoch))
        let connection = self.database.connectionString
        let result = self.conversations.withUnsafeMutableBufferPointer { conversations in
            connection.withCString { connection in
                Self.sessionSettings.withCString { session in
                    ShardSession.appendStatement.withCString { statement in
                        settings.body.withCString { body in
                            runBareLoop(
                                bareLoopSettings(
                                    connection: connection,
                                    session: session,
                                    statement: statement,
                                    body: body,
                                    epoch: epoch,
                                    connections: Int32(settings.connections),
                                    batch: Int32(settings.batch),
                                    warmUpSeconds: settings.warmUpSeconds,
                                    seconds: settings.seconds,
                                    conversations: conversations.baseAddress,
                                    conversationsOfConnection: Int32(settings.conversations)
                                )
                            )
                        }
                    }
                }
            }
        }
        let error = withUnsafeBytes(of: result.error) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard error.isEmpty else { throw StorageBenchmarkError("the bare loop: \(error)") }
        return result.seconds > 0 ? Double(result.rows) / result.seconds : 0
    }
}
