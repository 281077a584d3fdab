// SPDX-License-Identifier: Apache-2.0

import Placement
import Synchronization

/// What is known of the other routers at this moment: links from the mesh, leases from Redis. Both are those of one life of
/// a router; of an earlier life, which may still be in a view, they say that it is over.
package final class WitnessBoard: Sendable {
    /// How long after the loss of a link the leases are of interest at once. A router that is away for longer has been
    /// judged.
    private static let watchedFor: Duration = .seconds(5)

    private struct State {
        /// By name, the life that has a link, and since when.
        var linked: [String: (incarnation: String, since: ContinuousClock.Instant)] = [:]
        var unlinkedSince: [String: ContinuousClock.Instant] = [:]
        /// How long before the reading each was renewed; nil while Redis cannot be asked.
        var leased: [RouterLife: Duration]?
        let start: ContinuousClock.Instant
    }

    private let state: Mutex<State>

    package init(now: ContinuousClock.Instant = .now) {
        self.state = Mutex(State(start: now))
    }

    package func linkUp(_ router: RouterLife, now: ContinuousClock.Instant = .now) {
        self.state.withLock { state in
            state.linked[router.name] = (router.incarnation, now)
            state.unlinkedSince[router.name] = nil
        }
    }

    package func linkDown(_ router: RouterLife, now: ContinuousClock.Instant = .now) {
        self.state.withLock { state in
            // The link of a later life may have come before.
            guard state.linked[router.name]?.incarnation == router.incarnation else { return }
            state.linked[router.name] = nil
            state.unlinkedSince[router.name] = now
        }
    }

    /// - Parameter routers: with a living lease, and how long ago each was renewed; nil when Redis did not answer.
    package func leasesRead(_ routers: [RouterLife: Duration]?) {
        self.state.withLock { $0.leased = routers }
    }

    /// Whether a link was lost so recently that its router is being judged.
    package func isJudging(now: ContinuousClock.Instant = .now) -> Bool {
        self.state.withLock { $0.unlinkedSince.values.contains { $0.duration(to: now) < Self.watchedFor } }
    }

    /// What can be said of these routers. One that was never linked counts as unlinked since this router started.
    package func witnesses(of routers: [RouterLife], now: ContinuousClock.Instant = .now) -> [RouterWitness] {
        self.state.withLock { state in
            routers.map { router in
                let lease: RouterWitness.Lease =
                    state.leased.map { leases in leases[router].map { .renewed(ago: $0) } ?? .absent } ?? .unknown
                let link = state.linked[router.name]
                let isLinked = link?.incarnation == router.incarnation
                let since = link?.since ?? state.unlinkedSince[router.name] ?? state.start
                return RouterWitness(
                    name: router.name,
                    unlinkedFor: isLinked ? nil : since.duration(to: now),
                    lease: lease
                )
            }
        }
    }
}
