// SPDX-License-Identifier: Apache-2.0

import Observability

/// What a router says of each shard that it serves.
struct ShardMetrics: Sendable {
    private let queued: CollectedMetric
    private let queuedMax: CollectedMetric
    private let slots: CollectedMetric
    private let reachable: CollectedMetric
    private let viewChanges: CollectedMetric

    init(_ registry: MetricsRegistry) {
        self.queued = registry.declare(
            .gauge,
            "trunkline_router_queued_calls",
            help: "Calls that wait for a writer of the shard.",
            labels: ["shard"]
        )
        self.queuedMax = registry.declare(
            .gauge,
            "trunkline_router_queued_calls_max",
            help: "Calls that may wait for a shard; more are refused (limits.shard_queue_messages)."
        )
        self.slots = registry.declare(
            .gauge,
            "trunkline_router_slots_owned",
            help: "Slots of the shard that are this router's, by the newest view that it knows.",
            labels: ["shard"]
        )
        self.reachable = registry.declare(
            .gauge,
            "trunkline_router_shard_reachable",
            help: "1 while the shard answers this router's regular look at its map and view, 0 while it does not.",
            labels: ["shard"]
        )
        self.viewChanges = registry.declare(
            .counter,
            "trunkline_router_view_changes_total",
            help: "Newer views of the shard that this router adopted, by what changed.",
            labels: ["shard", "changed"]
        )
    }

    func record(_ node: RouterNode, in sink: inout MetricsSink) {
        sink.record(self.queuedMax, node.queuedCallsMax)
        for (shard, count) in node.queuedCalls {
            sink.record(self.queued, count, [shard])
            sink.record(self.slots, node.routing.ownSlots(in: shard).count, [shard])
        }
        for (shard, answers) in node.shardAnswers {
            sink.record(self.reachable, answers ? 1 : 0, [shard])
            let changes = node.routing.viewChanges(of: shard)
            sink.record(self.viewChanges, changes.ofRouters, [shard, "routers"])
            sink.record(self.viewChanges, changes.ofSlots, [shard, "slots"])
        }
    }
}
