// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import Messaging
import NIOCore
import Observability
import Placement
import Router
import Storage
import Synchronization
import Wire

/// The router's own way: submits into the queues of its writers, from the queue in batches through sequencer and statement
/// to Postgres, and the answers out of it. So many are under way that every batch is full.
struct RouterPath {
    private let database: ScratchDatabase
    private let settings: StorageSettings
    private let conversations: [Conversation]
    private let routing: RoutingState

    init(
        _ database: ScratchDatabase,
        _ settings: StorageSettings,
        _ conversations: [Conversation]
    ) throws(StorageBenchmarkError) {
        self.database = database
        self.settings = settings
        self.conversations = conversations
        self.routing = RoutingState(own: ScratchDatabase.router, onChange: { _ in })
        guard let map = ShardMap(dealing: [ScratchDatabase.shard]) else {
            throw StorageBenchmarkError("there is no map of one shard")
        }
        self.routing.adopt(map)
        self.routing.adopt(database.view)
    }

    /// Rows per second, and messages in a transaction on average.
    func measure() throws(StorageBenchmarkError) -> (rows: Double, batch: Double) {
        let effects = CountedCommits()
        let metrics = WriterMetrics(MetricsRegistry())
        let feeds = (0..<self.settings.connections).map { index in
            Feed(
                writer: self.writer(index, effects, metrics),
                conversations: Array(
                    self.conversations.dropFirst(index * self.settings.conversations).prefix(
                        self.settings.conversations
                    )
                ),
                body: self.settings.body
            )
        }
        // One batch is stored while the next one waits.
        for feed in feeds { feed.begin(underWay: 2 * self.settings.batch) }
        // A thread of its own rests for the time of the measurement, while the writers work.
        usleep(UInt32(self.settings.warmUpSeconds * 1e6))
        let (begin, before) = (ContinuousClock.now, effects.counts)
        usleep(UInt32(self.settings.seconds * 1e6))
        let (end, after) = (ContinuousClock.now, effects.counts)
        for feed in feeds { feed.end() }
        if let failure = feeds.compactMap(\.firstFailure).first {
            throw StorageBenchmarkError("the router's path: \(failure)")
        }
        let rows = Double(after.rows - before.rows)
        return (rows / ((end - begin) / .seconds(1)), rows / Double(max(1, after.commits - before.commits)))
    }

    private func writer(_ index: Int, _ effects: CountedCommits, _ metrics: WriterMetrics) -> ShardWriter {
        ShardWriter(
            name: "writer \(index)",
            session: self.database.configuration,
            bounds: ShardWriter.Bounds(
                queuedCallsMax: 4 * self.settings.batch,
                queuedBytesMax: 1 << 30,
                batchMessagesMax: self.settings.batch,
                batchBytesMax: 1 << 30,
                // As `timeouts.commit_interval` is by default.
                beginInterval: .milliseconds(2),
                conversationsMax: 50_000,
                receiptMembersMax: 64
            ),
            routing: self.routing,
            effects: effects,
            metrics: metrics,
            logger: Logger(label: "trunkline-micro", factory: { _ in SwiftLogNoOpLogHandler() })
        )
    }
}

/// Where the parcels of the commits end: each commit has one call, with a parcel for each row. Both are counted
/// together, so that one divided by the other is right at any moment.
private final class CountedCommits: WriterEffects {
    struct Counts {
        var commits = 0
        var rows = 0
    }

    private let state = Mutex(Counts())

    var counts: Counts { self.state.withLock { $0 } }

    func deliver(_ parcels: [Parcel]) {
        self.state.withLock { counts in
            counts.commits += 1
            counts.rows += parcels.count
        }
    }

    func outboxGrew(shard: String, entries: [Int64], completion: @escaping @Sendable () -> Void) { completion() }
    func viewRefused(shard: String) {}
    func changesMayBeUntold() {}
}

/// Submits for one writer: as soon as one is answered the next one follows, as from clients that wait for their answers.
private final class Feed: Sendable {
    private let writer: ShardWriter
    private let targets: [(conversation: Conversation, slot: Slot)]
    private let body: String
    private let ids = MessageIDs()
    private let sent = Atomic(0)
    private let isEnding = Atomic(false)
    private let failure = Mutex<String?>(nil)

    init(writer: ShardWriter, conversations: [Conversation], body: String) {
        self.writer = writer
        self.targets = conversations.map { ($0, Slot(of: $0.id.value)) }
        self.body = body
    }

    var firstFailure: String? { self.failure.withLock { $0 } }

    func begin(underWay: Int) {
        for _ in 0..<underWay { self.sendNext() }
    }

    /// Waits until everything that is under way is answered.
    func end() {
        self.isEnding.store(true, ordering: .relaxed)
        self.writer.shutdown()
    }

    private func sendNext() {
        let number = self.sent.add(1, ordering: .relaxed).oldValue
        let (conversation, slot) = self.targets[number % self.targets.count]
        let submit = Submit(
            conversation: conversation.id,
            sender: conversation.createdBy,
            senderDevice: DeviceID(value: conversation.createdBy.value),
            clientMessageID: self.ids.next(now: WallClock.now()),
            kind: .text,
            body: self.body
        )
        let call = Call(kind: .submit, slot: slot, deadline: .now() + .hours(1), payload: ByteBuffer()) {
            status,
            payload in
            self.answered(status, payload)
        }
        self.writer.submit(call, submit)
    }

    private func answered(_ status: ResponseStatus, _ payload: ByteBuffer) {
        guard status == .ok else {
            // The queue was closed between an answer and what followed it.
            guard !self.isEnding.load(ordering: .relaxed) else { return }
            let reason = (try? FailureBody(decoding: payload))?.failure.message ?? "\(status)"
            return self.failure.withLock { $0 = $0 ?? reason }
        }
        guard !self.isEnding.load(ordering: .relaxed) else { return }
        self.sendNext()
    }
}
