// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Observability

/// What the writers of a router count.
package final class WriterMetrics: Sendable {
    private let stored: Counter
    private let duplicates: Counter
    private let refusals: [ErrorCode: Counter]
    private let otherRefusals: Counter
    private let staleEpochs: Counter
    private let batchMessages: Histogram
    private let commitSeconds: Histogram
    private let receiptEntries: Counter
    private let receiptRows: Counter
    private let batchReceipts: Histogram

    package init(_ registry: MetricsRegistry) {
        self.stored = registry.counter(
            "trunkline_router_messages_stored_total",
            help: "Messages committed to Postgres and acknowledged."
        )
        self.duplicates = registry.counter(
            "trunkline_router_messages_duplicate_total",
            help: "Submits answered with the message that had been stored before."
        )
        var refusals: [ErrorCode: Counter] = [:]
        for code in [ErrorCode.notFound, .unavailable, .outcomeUnknown, .clientMessageIDTooOld] {
            refusals[code] = registry.counter(
                "trunkline_router_submits_refused_total",
                help: "Submits that were not stored, by error code.",
                labels: ["code": code.name]
            )
        }
        self.refusals = refusals
        self.otherRefusals = registry.counter(
            "trunkline_router_submits_refused_total",
            help: "Submits that were not stored, by error code.",
            labels: ["code": "other"]
        )
        self.staleEpochs = registry.counter(
            "trunkline_router_writes_fenced_total",
            help: "Transactions that the storage refused because the view had changed."
        )
        self.batchMessages = registry.histogram(
            "trunkline_router_batch_messages",
            help: "Messages in one transaction.",
            scale: .items
        )
        self.commitSeconds = registry.histogram(
            "trunkline_router_commit_seconds",
            help: "From sending a batch to Postgres to the answer that it is committed."
        )
        self.receiptEntries = registry.counter(
            "trunkline_router_receipts_received_total",
            help: "Watermarks of members that edges sent; what is not stored was merged with another or known already."
        )
        self.receiptRows = registry.counter(
            "trunkline_router_receipts_stored_total",
            help: "Watermarks of members in committed transactions."
        )
        self.batchReceipts = registry.histogram(
            "trunkline_router_batch_receipts",
            help: "Members whose watermarks were stored in one transaction.",
            scale: .items
        )
    }

    func committed(messages: Int, in time: TimeAmount) {
        self.batchMessages.observe(UInt64(messages))
        self.commitSeconds.observe(Duration.nanoseconds(time.nanoseconds))
    }

    func receiptsReceived(_ entries: Int) {
        self.receiptEntries.increment(by: UInt64(entries))
    }

    func receiptsCommitted(_ rows: Int) {
        self.receiptRows.increment(by: UInt64(rows))
        self.batchReceipts.observe(UInt64(rows))
    }

    func accepted(duplicate: Bool) {
        (duplicate ? self.duplicates : self.stored).increment()
    }

    func refused(_ code: ErrorCode) {
        (self.refusals[code] ?? self.otherRefusals).increment()
    }

    func fenced() {
        self.staleEpochs.increment()
    }
}
