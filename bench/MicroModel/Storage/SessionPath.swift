// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage
import Synchronization
import Threads

/// The same loop over the router's storage alone: batches of messages through ``ShardSession``, without queue and writer.
struct SessionPath {
    private struct Outcome {
        var rowsPerSecond = 0.0
        var failure: String?
    }

    private let database: ScratchDatabase
    private let settings: StorageSettings
    /// Those of one connection together, with the number of the last message in each.
    private var shares: [[(conversation: Conversation, head: UInt64)]]

    init(_ database: ScratchDatabase, _ settings: StorageSettings, _ conversations: [Conversation]) {
        self.database = database
        self.settings = settings
        self.shares = (0..<settings.connections).map { index in
            conversations[(index * settings.conversations)..<((index + 1) * settings.conversations)].map { ($0, 0) }
        }
    }

    /// Rows per second.
    mutating func measure() throws(StorageBenchmarkError) -> Double {
        let outcome = Mutex(Outcome())
        let heads = Mutex([Int: [UInt64]]())
        let (settings, configuration, epoch) = (self.settings, self.database.configuration, self.database.view.epoch)
        Self.inParallel(self.shares.enumerated().map { ($0.offset, $0.element) }) { index, share in
            var share = share
            do throws(StorageError) {
                let session = ShardSession(configuration)
                let rate = try Self.run(session, &share, settings, epoch: epoch)
                session.close()
                outcome.withLock { $0.rowsPerSecond += rate }
            } catch {
                outcome.withLock { $0.failure = "\(error)" }
            }
            heads.withLock { $0[index] = share.map(\.head) }
        }
        for (index, known) in heads.withLock({ $0 }) {
            for place in known.indices { self.shares[index][place].head = known[place] }
        }
        let result = outcome.withLock { $0 }
        if let failure = result.failure { throw StorageBenchmarkError("the storage alone: \(failure)") }
        return result.rowsPerSecond
    }

    private typealias Share = [(conversation: Conversation, head: UInt64)]

    private static func inParallel(_ work: [(Int, Share)], _ body: @escaping @Sendable (Int, Share) -> Void) {
        let threads = work.map { index, share in
            PlainThread(name: "storage \(index)") { body(index, share) }
        }
        for thread in threads { thread?.join() }
    }

    private static func run(
        _ session: ShardSession,
        _ share: inout Share,
        _ settings: StorageSettings,
        epoch: UInt64
    ) throws(StorageError) -> Double {
        let body = settings.body
        let ids = MessageIDs()
        let start = ContinuousClock.now
        var begin: ContinuousClock.Instant?
        var rows = 0
        var place = 0
        while true {
            let now = WallClock.now()
            var batch = MessageBatch()
            for _ in 0..<settings.batch {
                share[place].head += 1
                let conversation = share[place].conversation
                batch.append(
                    Message(
                        conversation: conversation.id,
                        seq: share[place].head,
                        sender: conversation.createdBy,
                        senderDevice: DeviceID(value: conversation.createdBy.value),
                        clientMessageID: ids.next(now: now),
                        kind: .text,
                        body: body,
                        createdAt: now
                    )
                )
                place = (place + 1) % share.count
            }
            guard case .stored(stale: []) = try session.appendMessages(batch, epoch: epoch) else {
                throw StorageError(.internal, "a batch was not stored as a whole")
            }
            let end = ContinuousClock.now
            guard let begin else {
                if end - start >= .seconds(settings.warmUpSeconds) { begin = end }
                continue
            }
            rows += batch.rowCount
            let time = (end - begin) / .seconds(1)
            if time >= settings.seconds { return Double(rows) / time }
        }
    }
}
