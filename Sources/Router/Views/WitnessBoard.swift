// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What is known of the other routers at this moment: links from the mesh, leases from Redis.
package final class WitnessBoard: Sendable {
    /// How long after the loss of a link the leases are of interest at once. A router that is away for longer has been
    /// judged.
    private static let watchedFor: Duration = .seconds(5)

    private struct State {
        var linked: Set<String> = []
        var unlinkedSince: [String: ContinuousClock.Instant] = [:]
        /// How long before the reading each was renewed; nil while Redis cannot be asked.
        var leased: [String: Duration]?
        let start: ContinuousClock.Instant
    }

    private let state: Mutex<State>

    package init(now: ContinuousClock.Instant = .now) {
        self.state = Mutex(State(start: now))
    }

    package func linkUp(_ router: String) {
        self.state.withLock { state in
            state.linked.insert(router)
            state.unlinkedSince[router] = nil
        }
    }

    package func linkDown(_ router: String, now: ContinuousClock.Instant = .now) {
        self.state.withLock { state in
            state.linked.remove(router)
            state.unlinkedSince[router] = now
        }
    }

    /// - Parameter routers: with a living lease, and how long ago each was renewed; nil when Redis did not answer.
    package func leasesRead(_ routers: [String: Duration]?) {
        self.state.withLock { $0.leased = routers }
    }

    /// Whether a link was lost so recently that its router is being judged.
    package func isJudging(now: ContinuousClock.Instant = .now) -> Bool {
        self.state.withLock { $0.unlinkedSince.values.contains { $0.duration(to: now) < Self.watchedFor } }
    }

    /// What can be said of these routers. One that was never linked counts as unlinked since this router started.
    package func witnesses(of routers: [String], now: ContinuousClock.Instant = .now) -> [RouterWitness] {
        self.state.withLock { state in
            routers.map { router in
                let lease: RouterWitness.Lease =
                    state.leased.map { leases in leases[router].map { .renewed(ago: $0) } ?? .absent } ?? .unknown
                let isLinked = state.linked.contains(router)
                let since = state.unlinkedSince[router] ?? state.start
                return RouterWitness(name: router, unlinkedFor: isLinked ? nil : since.duration(to: now), lease: lease)
            }
        }
    }
}
