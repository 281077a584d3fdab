// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import Placement
import Storage
import Threads
import Wire

/// Writes the slots of one shard that fall to it: one thread, one connection, one queue.
///
/// What is queued while a transaction is under way becomes the next one, which begins a little after it at the earliest
/// (``Bounds/beginInterval``): a transaction of two messages costs hardly more than one of one, and all that follows from
/// it, answers and deliveries, goes its way together. A conversation always takes the same writer, so its messages are
/// numbered by one thread.
package final class ShardWriter: Sendable {
    package struct Bounds: Sendable {
        /// What may wait; beyond it calls are refused as overloaded before anything is accepted (contract C5).
        package var queuedCallsMax: Int
        package var queuedBytesMax: Int
        /// What goes into one transaction.
        package var batchMessagesMax: Int
        package var batchBytesMax: Int
        /// From the begin of one transaction to that of the next at least, unless so much waits that the next one is
        /// full. What comes after a pause does not wait.
        package var beginInterval: TimeAmount
        package var conversationsMax: Int
        /// Members of a conversation whose receipts all of them are told of.
        package var receiptMembersMax: Int

        package init(
            queuedCallsMax: Int,
            queuedBytesMax: Int,
            batchMessagesMax: Int,
            batchBytesMax: Int,
            beginInterval: TimeAmount,
            conversationsMax: Int,
            receiptMembersMax: Int
        ) {
            self.queuedCallsMax = queuedCallsMax
            self.queuedBytesMax = queuedBytesMax
            self.batchMessagesMax = batchMessagesMax
            self.batchBytesMax = batchBytesMax
            self.beginInterval = beginInterval
            self.conversationsMax = conversationsMax
            self.receiptMembersMax = receiptMembersMax
        }
    }

    enum Work: Sendable {
        case submit(Call, Submit)
        case operation(WriterOperation)
        case receipts(Call, StoreReceipts)
    }

    private let queue: WorkQueue<Work>
    private let thread: WriterThread
    private let plainThread: PlainThread?

    package init(
        name: String,
        session: ShardSession.Configuration,
        bounds: Bounds,
        routing: RoutingState,
        effects: any WriterEffects,
        metrics: WriterMetrics,
        logger: Logger
    ) {
        let queue = WorkQueue<Work>(itemsMax: bounds.queuedCallsMax, bytesMax: bounds.queuedBytesMax)
        let thread = WriterThread(
            queue: queue,
            session: session,
            bounds: bounds,
            routing: routing,
            effects: effects,
            metrics: metrics,
            logger: logger
        )
        self.queue = queue
        self.thread = thread
        self.plainThread = PlainThread(name: name) { thread.run() }
    }

    package var queuedCalls: Int { self.queue.count }

    /// From any thread.
    package func submit(_ call: Call, _ submit: Submit) {
        self.put(.submit(call, submit), call)
    }

    /// From any thread.
    package func perform(_ operation: WriterOperation) {
        self.put(.operation(operation), operation.call)
    }

    /// From any thread.
    package func store(_ call: Call, _ receipts: StoreReceipts) {
        self.put(.receipts(call, receipts), call)
    }

    private func put(_ work: Work, _ call: Call) {
        guard self.plainThread != nil, self.queue.put(work, bytes: call.payload.readableBytes + 256) else {
            call.fail(
                Failure(.overloaded, "The shard's queue is full; nothing was accepted.", retryAfterMilliseconds: 250)
            )
            return
        }
    }

    /// Takes no more, finishes what is queued, and ends the thread. Blocks; not for an event loop.
    package func shutdown() {
        self.queue.close()
        self.plainThread?.join()
    }
}

/// What a writer sets off after its commits. Called on the writer's thread; must not block.
package protocol WriterEffects: AnyObject, Sendable {
    /// In the order of the commits of a conversation.
    func deliver(_ parcels: [Parcel])
    /// Entries that were committed; the completion comes when they were applied or after a moment, whichever is first.
    func outboxGrew(shard: String, entries: [Int64], completion: @escaping @Sendable () -> Void)
    /// The view in the shard is not the one that was acted under; it is being read again.
    func viewRefused(shard: String)
    /// Something may be stored of which no parcel comes.
    func changesMayBeUntold()
}
