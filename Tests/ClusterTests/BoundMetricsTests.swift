// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("What alerts compare with", .serialized)
    struct BoundMetricsTests {
        @Test("Every node tells its bounds, as they are configured")
        func bounds() async throws {
            let cluster = try await TestCluster(
                routers: 1,
                edges: 1,
                shards: 1,
                settings: """
                    limits:
                      sessions_per_edge: 777
                      shard_queue_messages: 4000
                      shard_writers: 4
                      mesh_queue_bytes: 8MiB
                    timeouts:
                      silence: 1600ms

                    """
            )
            #expect(try cluster.metric("trunkline_edge_sessions_max", of: "edge-1") == 777)
            #expect(try cluster.metric("trunkline_router_queued_calls_max", of: "router-1") == 4000)
            #expect(try cluster.metric("trunkline_router_shard_reachable", of: "router-1") == 1)
            for node in cluster.nodes {
                #expect(try cluster.metric("trunkline_mesh_queue_max_bytes", of: node.name) == 8 * 1024 * 1024)
                #expect(try cluster.metric("trunkline_mesh_silence_max_microseconds", of: node.name) == 1_600_000)
                #expect(try cluster.metric("trunkline_node_ready", of: node.name) == 1)
                #expect(try cluster.metric("trunkline_node_draining", of: node.name) == 0)
                #expect(try cluster.metric("trunkline_redis_reachable", of: node.name) == 1)
            }
            try await cluster.trunkline("drain", "edge-1", "--no-wait")
            #expect(try cluster.metric("trunkline_node_ready", of: "edge-1") == 0)
            #expect(try cluster.metric("trunkline_node_draining", of: "edge-1") == 1)
        }
    }
}
