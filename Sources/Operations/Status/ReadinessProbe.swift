// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks a node's `/ready` over HTTP.
struct ReadinessProbe: Sendable {
    private static let bodyBytesMax = 64 << 10

    let group: any EventLoopGroup
    /// For the whole of it.
    let timeout: Duration

    func ask(_ address: NetworkAddress) async -> ClusterObservation.Seen<ClusterObservation.Probe> {
        let finished = OneShot<ClusterObservation.Seen<ClusterObservation.Probe>>()
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    finished.set(.value(try await self.get(address)))
                } catch {
                    finished.set(.unreachable(Self.text(of: error)))
                }
            }
            let seen = await finished.wait(atMost: self.timeout)
            group.cancelAll()
            return seen ?? .unreachable("no answer within \(self.timeout)")
        }
    }

    private func get(_ address: NetworkAddress) async throws -> ClusterObservation.Probe {
        // A node that listens everywhere is asked on this machine.
        let host = address.isWildcard ? (address.host == "::" ? "::1" : "127.0.0.1") : address.host
        let channel = try await ClientBootstrap(group: self.group)
            .connectTimeout(TimeAmount(self.timeout))
            .connect(host: host, port: address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: Self.bodyBytesMax))
                    return try NIOAsyncChannel<NIOHTTPClientResponseFull, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel
                    )
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/ready")
            head.headers.add(name: "host", value: address.description)
            head.headers.add(name: "connection", value: "close")
            try await outbound.write(contentsOf: [.head(head), .end(nil)])
            for try await response in inbound {
                return try Self.probe(response)
            }
            throw OperationsError("the connection was closed without an answer", remedy: "see the node's log")
        }
    }

    /// What the bodies of all nodes have in common, whatever else an edge tells its clients.
    private struct Unreadiness: Decodable {
        var reasons: [String]
    }

    private static func probe(_ response: NIOHTTPClientResponseFull) throws -> ClusterObservation.Probe {
        let body = response.body.map { String(buffer: $0) } ?? ""
        let told = try? JSONDecoder().decode(Unreadiness.self, from: Data(body.utf8))
        switch response.head.status {
        case .ok:
            return ClusterObservation.Probe(ready: true, reasons: [])
        case .serviceUnavailable:
            return ClusterObservation.Probe(ready: false, reasons: told?.reasons ?? [String(body.prefix(200))])
        default:
            throw OperationsError(
                "what listens there answers /ready with \(response.head.status.code)",
                remedy: "see what program uses this address"
            )
        }
    }

    private static func text(of error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            return error.connectionErrors.first.map { Self.text(of: $0.error) }
                ?? "no address of \(error.host) could be used"
        case let error as IOError:
            return String(cString: strerror(error.errnoCode))
        case let error as OperationsError:
            return error.message
        default:
            return "\(error)"
        }
    }
}
