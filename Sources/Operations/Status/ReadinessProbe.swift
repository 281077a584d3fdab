// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL

/// Asks a node's `/ready` over HTTP.
struct ReadinessProbe: Sendable {
    private let http: NodeHTTP

    /// - Parameter timeout: for the whole of it.
    init(group: any EventLoopGroup, timeout: Duration) {
        self.http = NodeHTTP(group: group, timeout: timeout)
    }

    /// - Parameter tls: nil for a node that speaks none.
    func ask(_ address: NetworkAddress, over tls: NIOSSLContext? = nil) async
        -> ClusterObservation.Seen<ClusterObservation.Probe>
    {
        do throws(OperationsError) {
            return try Self.probe(try await self.http.send(.GET, "/ready", to: address, over: tls))
        } catch {
            return .unreachable(error.message)
        }
    }

    /// What the bodies of all nodes have in common, whatever else an edge tells its clients.
    private struct Unreadiness: Decodable {
        var reasons: [String]
    }

    private static func probe(
        _ answer: NodeHTTP.Answer
    ) throws(OperationsError) -> ClusterObservation.Seen<ClusterObservation.Probe> {
        switch answer.status {
        case 200:
            return .value(ClusterObservation.Probe(ready: true, reasons: []))
        case 503:
            let told = try? JSONDecoder().decode(Unreadiness.self, from: Data(answer.body.utf8))
            let reasons = told?.reasons ?? [String(answer.body.prefix(200))]
            return .value(ClusterObservation.Probe(ready: false, reasons: reasons))
        default:
            throw OperationsError(
                "what listens there answers /ready with \(answer.status)",
                remedy: "see what program uses this address"
            )
        }
    }
}
