// SPDX-License-Identifier: Apache-2.0

import Observability

/// What every node says of itself, whatever its role.
enum NodeMetrics {
    static func register(in registry: MetricsRegistry, node: any NodeService, keeper: LeaseKeeper) {
        let ready = registry.declare(
            .gauge,
            "trunkline_node_ready",
            help: "1 while /ready answers 200, 0 while it says why not."
        )
        let draining = registry.declare(
            .gauge,
            "trunkline_node_draining",
            help: "1 while an operator has the node take nobody new (trunkline drain)."
        )
        let redis = registry.declare(
            .gauge,
            "trunkline_redis_reachable",
            help: "1 while Redis answers the renewals of this node's lease, 0 while it does not."
        )
        registry.collect { sink in
            sink.record(ready, node.notReadyReasons().isEmpty ? 1 : 0)
            sink.record(draining, node.isDraining ? 1 : 0)
            if let isReachable = keeper.isRedisReachable { sink.record(redis, isReachable ? 1 : 0) }
        }
    }
}
