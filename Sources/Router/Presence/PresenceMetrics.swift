// SPDX-License-Identifier: Apache-2.0

import Observability

/// What a router says of presence and typing when the metrics are read.
struct PresenceMetrics: Sendable {
    private let users: CollectedMetric
    private let states: CollectedMetric
    private let asked: CollectedMetric
    private let refused: CollectedMetric
    private let typing: CollectedMetric

    init(_ registry: MetricsRegistry) {
        self.users = registry.declare(
            .gauge,
            "trunkline_router_presence_users",
            help: "Users of own slots who are connected or watched."
        )
        self.states = registry.declare(
            .counter,
            "trunkline_router_presence_states_total",
            help:
                "Changes of presence for one edge: handed to a link, overtaken by a newer one, or not taken by a link.",
            labels: ["outcome"]
        )
        self.asked = registry.declare(
            .counter,
            "trunkline_router_presence_slots_asked_total",
            help: "Slots that an edge was asked to report whole."
        )
        self.refused = registry.declare(
            .counter,
            "trunkline_router_presence_refused_total",
            help: "Users and times that were not taken because a bound was reached."
        )
        self.typing = registry.declare(
            .counter,
            "trunkline_router_typing_total",
            help: "Typing that was carried from memory, needed a look at the database or registry, or was dropped.",
            labels: ["outcome"]
        )
    }

    func record(_ presence: PresenceBoard.Counts, _ typing: TypingCarrier.Counts, in sink: inout MetricsSink) {
        sink.record(self.users, presence.users)
        sink.record(self.states, presence.told, ["told"])
        sink.record(self.states, presence.merged, ["merged"])
        sink.record(self.states, presence.dropped, ["dropped"])
        sink.record(self.asked, presence.asked)
        sink.record(self.refused, presence.refused)
        sink.record(self.typing, typing.carried, ["carried"])
        sink.record(self.typing, typing.looked, ["looked"])
        sink.record(self.typing, typing.dropped, ["dropped"])
    }
}
