// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Logging
import NIOCore

/// Looks at the cluster for a walk over its nodes.
package struct RollWatch: Sendable {
    private let collector: StatusCollector

    package init(settings: ClusterSettings, secrets: ResolvedSecrets, group: any EventLoopGroup, logger: Logger) {
        self.collector = StatusCollector(settings: settings, secrets: secrets, group: group, logger: logger)
    }

    /// The nodes that live.
    package func nodes() async throws(OperationsError) -> [RollPlan.Node] {
        switch await self.collector.readLeases() {
        case .value(let listing): return listing.leases.map { RollPlan.Node($0) }
        case .unreachable(let reason):
            throw OperationsError(
                "Redis is unreachable, so it is not known which nodes live: \(reason)",
                remedy: "see that Redis runs and that `redis.url` is right"
            )
        }
    }

    /// Whether a node is back. While Redis is away, it is not known to be.
    package func look(for before: RollPlan.Node) async -> RollReturn {
        let status = await self.collector.collect()
        do throws(OperationsError) {
            return RollReturn(of: before, among: try await self.nodes(), status)
        } catch {
            return .waits(error.message)
        }
    }
}
