// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Observability
import TestSupport
import Testing
import Wire

@testable import Mesh

extension SocketTests {
    @Suite("Compression on links")
    struct CompressionTests {
        private static let text = ByteBuffer(string: String(repeating: #"{"text":"hello, hello"}"#, count: 40))

        private static func noise(_ count: Int) -> ByteBuffer {
            var random = SeededRandom(seed: 11)
            return ByteBuffer(bytes: (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }

        private static func ask(_ node: MeshNode, _ payload: ByteBuffer) async throws -> ByteBuffer {
            try await node.request(
                kind: 1,
                slot: 0,
                epoch: 0,
                payload: payload,
                to: "router",
                deadline: .now() + .seconds(20)
            ).payload
        }

        @Test(
            "Nodes with different thresholds and levels understand each other",
            arguments: [
                (BlockCompression(thresholdBytes: 0, level: 9), BlockCompression.off),
                (.off, BlockCompression(thresholdBytes: 0, level: -64)),
                (BlockCompression(thresholdBytes: 64 << 10, level: 1), BlockCompression(thresholdBytes: 1, level: 3)),
            ]
        )
        func differentSettings(edge: BlockCompression, router: BlockCompression) async throws {
            try await Cluster.run { cluster in
                let routerNode = cluster.node(
                    "router",
                    .router,
                    Recorder.echo(),
                    settings: Cluster.settings { $0.compression = router }
                )
                let edgeNode = cluster.node(
                    "edge",
                    .edge,
                    Recorder(),
                    settings: Cluster.settings { $0.compression = edge }
                )
                let address = try await routerNode.listen(host: "127.0.0.1", port: 0)
                edgeNode.setPeers([.at(address, "router")])
                try await Cluster.linked(edgeNode, routerNode)
                for payload in [Self.text, Self.noise(5000), ByteBuffer(), ByteBuffer(repeating: 1, count: 200_000)] {
                    #expect(try await Self.ask(edgeNode, payload) == payload)
                }
                for (node, compression) in [(edgeNode, edge), (routerNode, router)] {
                    let counters = node.counters.snapshot()
                    #expect((counters.blocksSentWithoutCompression == counters.blocksSent) == (compression == .off))
                    #expect((counters.blocksSentCompressed > 0) == (compression != .off))
                }
            }
        }

        @Test("Each block is counted by what became of it, and bytes before and after, on both sides")
        func metrics() async throws {
            try await Cluster.run { cluster in
                let settings = Cluster.settings { $0.compression.thresholdBytes = 300 }
                let (edge, router, _) = try await cluster.pair(
                    edge: Recorder(),
                    router: Recorder.echo(),
                    settings: settings
                )
                let registry = MetricsRegistry()
                MeshMetrics.register(in: registry, node: edge)
                // One at a time, so that each is a block of its own; others may carry credit.
                #expect(try await Self.ask(edge, Self.text) == Self.text)
                #expect(try await Self.ask(edge, Self.noise(2000)).readableBytes == 2000)
                #expect(try await Self.ask(edge, ByteBuffer(string: "short")).readableBytes == 5)
                let sent = edge.counters.snapshot()
                #expect(sent.blocksSentCompressed == 1)
                #expect(sent.blocksSentNotSmaller == 1)
                #expect(sent.blocksSentBelowThreshold == sent.blocksSent - 2)
                #expect(sent.blocksSentBelowThreshold >= 1)
                #expect(sent.blocksSentWithoutCompression == 0)
                #expect(sent.bytesStoredSent < sent.bytesRawSent)
                #expect(sent.bytesRawSent > Self.text.readableBytes + 2000)
                try await eventually("the router has counted the same") {
                    let received = router.counters.snapshot()
                    return received.bytesRawReceived >= sent.bytesRawSent
                        && received.bytesStoredReceived >= sent.bytesStoredSent
                        && received.bytesStoredReceived < received.bytesRawReceived
                }
                let shown = registry.render()
                for line in [
                    #"trunkline_mesh_blocks_compressed_sent_total 1"#,
                    #"trunkline_mesh_blocks_plain_sent_total{reason="not_smaller"} 1"#,
                    #"trunkline_mesh_blocks_plain_sent_total{reason="below_threshold"} "#,
                    #"trunkline_mesh_blocks_plain_sent_total{reason="off"} 0"#,
                    "trunkline_mesh_raw_sent_bytes_total ", "trunkline_mesh_stored_sent_bytes_total ",
                    "trunkline_mesh_raw_received_bytes_total ", "trunkline_mesh_stored_received_bytes_total ",
                ] {
                    #expect(shown.contains("\n" + line), "\(line) is missing in:\n\(shown)")
                }
            }
        }
    }
}
