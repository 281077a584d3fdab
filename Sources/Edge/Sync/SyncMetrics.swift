// SPDX-License-Identifier: Apache-2.0

internal import Observability

/// What an edge counts about syncs.
final class SyncMetrics: Sendable {
    let begun: Counter
    let byChanges: Counter
    let byComparison: Counter
    let failed: Counter
    let compared: Counter
    let pages: Counter
    let messages: Counter
    let receipts: Counter
    let tooFar: Counter
    let held: Counter

    init(_ registry: MetricsRegistry) {
        self.begun = registry.counter("trunkline_edge_syncs_begun_total", help: "Syncs that were asked for.")
        let help = "Syncs by how it was found out what changed: from what the routers remember, or by comparing heads."
        self.byChanges = registry.counter(
            "trunkline_edge_syncs_total",
            help: help,
            labels: ["found": "changes"]
        )
        self.byComparison = registry.counter(
            "trunkline_edge_syncs_total",
            help: help,
            labels: ["found": "comparison"]
        )
        self.failed = registry.counter("trunkline_edge_syncs_failed_total", help: "Syncs that ended with an error.")
        self.compared = registry.counter(
            "trunkline_edge_sync_conversations_compared_total",
            help: "Conversations whose head was compared with a cursor."
        )
        self.pages = registry.counter(
            "trunkline_edge_sync_pages_total",
            help: "Pages of messages that were read for syncs."
        )
        self.messages = registry.counter(
            "trunkline_edge_sync_messages_total",
            help: "Messages that were written to sessions by syncs."
        )
        self.receipts = registry.counter(
            "trunkline_edge_sync_receipts_total",
            help: "Conversations whose receipts were written to sessions by syncs."
        )
        self.tooFar = registry.counter(
            "trunkline_edge_sync_too_far_total",
            help: "Conversations with more to catch up with than a sync brings."
        )
        self.held = registry.counter(
            "trunkline_edge_sync_events_held_total",
            help: "Live events that were held back while a session was brought up to date."
        )
    }
}
