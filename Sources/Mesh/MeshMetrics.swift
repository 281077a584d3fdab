// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Observability

/// Hands a node's counters and the state of its links to whoever reads the metrics.
package enum MeshMetrics {
    private struct Counted: Sendable {
        var metric: CollectedMetric
        var value: @Sendable (MeshCounters.Snapshot) -> Int
    }

    private struct OfLink: Sendable {
        var metric: CollectedMetric
        var value: @Sendable (LinkState) -> Int
    }

    /// - Parameter notificationNames: the names of the kinds of notifications, by number; kinds without a name are told
    ///   by their number.
    package static func register(in registry: MetricsRegistry, node: MeshNode, notificationNames: [Int: String] = [:]) {
        let totals = Self.totals(registry)
        let links = Self.links(registry)
        let sent = registry.declare(
            .counter,
            "trunkline_mesh_notifications_sent_total",
            help: "Notifications queued for a link, by kind.",
            labels: ["kind"]
        )
        let refusals = registry.declare(
            .counter,
            "trunkline_mesh_handshakes_refused_total",
            help: "Handshakes that this node refused, by reason.",
            labels: ["reason"]
        )
        let plain = registry.declare(
            .counter,
            "trunkline_mesh_blocks_plain_sent_total",
            help: "Blocks sent uncompressed, by reason.",
            labels: ["reason"]
        )
        let ratio = registry.declare(
            .gauge,
            "trunkline_mesh_compression_ratio",
            help: "Stored by raw bytes of everything sent since the start; 1 is no gain."
        )
        let linksUp = registry.declare(.gauge, "trunkline_mesh_links", help: "Links that are up.")
        let settings = node.settings
        registry.gauge(
            "trunkline_mesh_queue_max_bytes",
            help: "Bytes that may wait for one link; durable traffic beyond them is refused (limits.mesh_queue_bytes)."
        ).set(Int64(settings.outboundQueueBytesMax))
        registry.gauge(
            "trunkline_mesh_silence_max_microseconds",
            help: "A link that is silent for longer counts as dead (timeouts.silence)."
        ).set(settings.silenceLimit.nanoseconds / 1000)
        registry.collect { [weak node] sink in
            guard let node else { return }
            let snapshot = node.counters.snapshot()
            for counted in totals {
                sink.record(counted.metric, counted.value(snapshot))
            }
            for (kind, count) in snapshot.notificationsSentByKind.enumerated() where count > 0 {
                sink.record(sent, count, [notificationNames[kind] ?? "\(kind)"])
            }
            for (reason, count) in snapshot.refusals {
                sink.record(refusals, count, ["\(reason)"])
            }
            sink.record(plain, snapshot.blocksSentBelowThreshold, ["below_threshold"])
            sink.record(plain, snapshot.blocksSentNotSmaller, ["not_smaller"])
            sink.record(plain, snapshot.blocksSentWithoutCompression, ["off"])
            sink.record(ratio, snapshot.compressionRatio)
            sink.record(linksUp, snapshot.linksUp)
            for state in node.linkStates() {
                for link in links {
                    sink.record(link.metric, link.value(state), [state.peer.name])
                }
            }
        }
    }

    private static func totals(_ registry: MetricsRegistry) -> [Counted] {
        func total(
            _ name: String,
            _ help: String,
            _ value: @escaping @Sendable (MeshCounters.Snapshot) -> Int
        ) -> Counted {
            Counted(metric: registry.declare(.counter, "trunkline_mesh_\(name)_total", help: help), value: value)
        }
        return [
            total("blocks_sent", "Blocks written to links.") { $0.blocksSent },
            total("blocks_compressed_sent", "Blocks that LZ4 made smaller.") { $0.blocksSentCompressed },
            total("frames_sent", "Frames in those blocks.") { $0.framesSent },
            total("raw_sent_bytes", "Bytes of frames before compression.") { $0.bytesRawSent },
            total("stored_sent_bytes", "Bytes of frames after compression.") { $0.bytesStoredSent },
            total("blocks_received", "Blocks read from links.") { $0.blocksReceived },
            total("frames_received", "Frames in those blocks.") { $0.framesReceived },
            total("raw_received_bytes", "Bytes of frames after decompression.") { $0.bytesRawReceived },
            total("stored_received_bytes", "Bytes of frames before decompression.") { $0.bytesStoredReceived },
            total("requests_sent", "Requests to peers.") { $0.requestsSent },
            total("requests_received", "Requests of peers.") { $0.requestsReceived },
            total("requests_expired", "Requests whose deadline passed.") { $0.requestsExpired },
            total("refused_overloaded", "Durable traffic refused because a link's queue was full.") {
                $0.refusedOverloaded
            },
            total("dropped_ephemeral", "Ephemeral traffic dropped because a link's queue was filling.") {
                $0.droppedEphemeral
            },
            total("dropped_responses", "Answers whose link was gone or full.") { $0.droppedResponses },
            total("link_downs", "Links that went down.") { $0.linkDowns },
            total("protocol_errors", "Connections ended because of what came over them.") { $0.protocolErrors },
        ]
    }

    private static func links(_ registry: MetricsRegistry) -> [OfLink] {
        func gauge(_ name: String, _ help: String, _ value: @escaping @Sendable (LinkState) -> Int) -> OfLink {
            let metric = registry.declare(.gauge, "trunkline_mesh_link_\(name)", help: help, labels: ["peer"])
            return OfLink(metric: metric, value: value)
        }
        return [
            gauge("version", "The version of the protocol that both sides agreed on.") { Int($0.version) },
            gauge("queued_frames", "Frames that wait for credit or the socket.") { $0.queuedFrames },
            gauge("queued_bytes", "Bytes that wait for credit or the socket.") { $0.queuedBytes },
            gauge("pending_requests", "Requests without an answer.") { $0.pendingRequests },
            gauge("credit_items", "What may still be sent before the peer has to give credit back.") {
                $0.creditItems
            },
            gauge("round_trip_microseconds", "The last heartbeat's way there and back.") {
                $0.roundTripMicroseconds ?? 0
            },
        ]
    }
}
