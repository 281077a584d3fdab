// SPDX-License-Identifier: Apache-2.0

import Mesh
import Observability
import Wire

/// What a router's parts say of themselves when the metrics are read.
enum RouterMetrics {
    static func register(in registry: MetricsRegistry, node: RouterNode) {
        let names = NotificationKind.allCases.map { (Int($0.rawValue), "\($0)") }
        MeshMetrics.register(
            in: registry,
            node: node.mesh,
            notificationNames: Dictionary(names, uniquingKeysWith: { first, _ in first })
        )
        let conversations = registry.declare(
            .gauge,
            "trunkline_router_audiences",
            help: "Conversations whose audience is kept."
        )
        let waiting = registry.declare(
            .gauge,
            "trunkline_router_deliveries_waiting",
            help: "Deliveries that wait for the registry."
        )
        let lookUps = registry.declare(
            .counter,
            "trunkline_router_registry_lookups_total",
            help: "Audiences read from the registry."
        )
        let frames = registry.declare(
            .counter,
            "trunkline_router_delivery_frames_total",
            help: "Frames to edges: one for each edge and message.",
            labels: ["audience"]
        )
        let unsent = registry.declare(
            .counter,
            "trunkline_router_deliveries_unsent_total",
            help: "Frames that no link took."
        )
        let relays = registry.declare(
            .counter,
            "trunkline_router_relays_asked_total",
            help: "Requests to other routers to pass messages on to edges.",
            labels: ["outcome"]
        )
        let passedOn = registry.declare(
            .counter,
            "trunkline_router_relayed_frames_total",
            help: "Frames of other routers that were passed on to edges."
        )
        let changes = registry.declare(
            .counter,
            "trunkline_router_changes_recorded_total",
            help: "Changes of conversations that were recorded for devices that were away."
        )
        let remembered = registry.declare(
            .gauge,
            "trunkline_router_changed_conversations",
            help: "Conversations whose last change is remembered."
        )
        let questions = registry.declare(
            .counter,
            "trunkline_router_sync_questions_total",
            help: "Questions of edges for what changed for a user.",
            labels: ["answer"]
        )
        let presence = PresenceMetrics(registry)
        let shards = ShardMetrics(registry)
        registry.collect { [weak node] sink in
            guard let node else { return }
            shards.record(node, in: &sink)
            presence.record(node.presence.currentCounts, node.typing.currentCounts, in: &sink)
            let counts = node.audienceCounts
            sink.record(conversations, counts.reduce(0) { $0 + $1.conversations })
            sink.record(waiting, counts.reduce(0) { $0 + $1.waiting })
            sink.record(lookUps, counts.reduce(0) { $0 + $1.lookUps })
            let broadcast = counts.reduce(0) { $0 + $1.broadcastFramesSent }
            sink.record(frames, counts.reduce(0) { $0 + $1.framesSent } - broadcast, ["exact"])
            sink.record(frames, broadcast, ["broadcast"])
            sink.record(unsent, node.links.unsentDeliveries)
            sink.record(relays, counts.reduce(0) { $0 + $1.passedOn }, ["passed_on"])
            sink.record(relays, counts.reduce(0) { $0 + $1.notPassedOn }, ["not"])
            sink.record(passedOn, node.station.passedOn)
            let journal = node.journal.counts
            sink.record(changes, journal.position)
            sink.record(remembered, journal.conversations)
            sink.record(questions, journal.questions - journal.unanswerable, ["known"])
            sink.record(questions, journal.unanswerable, ["forgotten"])
        }
    }
}
