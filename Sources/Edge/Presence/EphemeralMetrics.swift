// SPDX-License-Identifier: Apache-2.0

package import Observability

/// What an edge counts of presence and typing.
package struct EphemeralMetrics: Sendable {
    let deliveries: Counter
    let merged: Counter
    let droppedSlowSession: Counter
    let droppedFullLoop: Counter
    let typingMerged: Counter
    let reportsDropped: Counter
    let watchedUsers: Gauge

    package init(_ registry: MetricsRegistry) {
        self.deliveries = registry.counter(
            "trunkline_edge_ephemeral_deliveries_total",
            help: "Presence and typing events that were written to a session."
        )
        self.merged = registry.counter(
            "trunkline_edge_ephemeral_merged_total",
            help: "Presence and typing events that a newer one of the same user overtook."
        )
        let dropped = "trunkline_edge_ephemeral_dropped_total"
        let help = "Presence and typing events that were dropped, by what was full."
        self.droppedSlowSession = registry.counter(dropped, help: help, labels: ["full": "session"])
        self.droppedFullLoop = registry.counter(dropped, help: help, labels: ["full": "loop"])
        self.typingMerged = registry.counter(
            "trunkline_edge_typing_merged_total",
            help: "Typing commands that did not go on because one of the session had just done so."
        )
        self.reportsDropped = registry.counter(
            "trunkline_edge_presence_reports_dropped_total",
            help: "Presence reports that no link took; they are repeated."
        )
        self.watchedUsers = registry.gauge(
            "trunkline_edge_presence_watched_users",
            help: "Users whose presence sessions of this edge watch."
        )
    }
}
