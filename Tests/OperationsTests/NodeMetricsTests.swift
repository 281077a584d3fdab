// SPDX-License-Identifier: Apache-2.0

import Directory
import Observability
import Synchronization
import TestSupport
import Testing

@testable import Operations

@Suite("What every node says of itself")
struct NodeMetricsTests {
    @Test("ready, draining, and whether Redis answers, as it is when it is asked")
    func follows() async throws {
        let bed = try await LeaseBed()
        let node = IdleNode()
        let keeper = bed.keeper(bed.lease("router-1"))
        let registry = MetricsRegistry()
        NodeMetrics.register(in: registry, node: node, keeper: keeper)
        func value(_ name: String) -> Double? { MetricsText(registry.render()).sum(name) }

        #expect(value("trunkline_node_ready") == 0)
        #expect(value("trunkline_node_draining") == 0)
        #expect(value("trunkline_redis_reachable") == nil, "nobody has asked Redis")
        node.becomeReady()
        node.state.withLock { $0.isDraining = true }
        try await keeper.acquire { false }
        #expect(value("trunkline_node_ready") == 1)
        #expect(value("trunkline_node_draining") == 1)
        #expect(value("trunkline_redis_reachable") == 1)

        try await blocking { try bed.server.kill() }
        await keeper.enter(.ready)
        #expect(value("trunkline_redis_reachable") == 0)
        try await blocking { try bed.server.start() }
        try await eventually("Redis answers again") {
            await keeper.enter(.ready)
            return value("trunkline_redis_reachable") == 1
        }
        await bed.end()
    }
}
