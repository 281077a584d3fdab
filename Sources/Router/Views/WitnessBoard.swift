// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What is known of the other routers at this moment: links from the mesh, leases from Redis.
package final class WitnessBoard: Sendable {
    private struct State {
        var linked: Set<String> = []
        var unlinkedSince: [String: ContinuousClock.Instant] = [:]
        /// Nil while Redis cannot be asked.
        var leased: Set<String>?
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

    /// - Parameter routers: with a living lease; nil when Redis did not answer.
    package func leasesRead(_ routers: Set<String>?) {
        self.state.withLock { $0.leased = routers }
    }

    /// What can be said of these routers. One that was never linked counts as unlinked since this router started.
    package func witnesses(of routers: [String], now: ContinuousClock.Instant = .now) -> [RouterWitness] {
        self.state.withLock { state in
            routers.map { router in
                let lease: RouterWitness.Lease =
                    state.leased.map { $0.contains(router) ? .alive : .absent } ?? .unknown
                let isLinked = state.linked.contains(router)
                let since = state.unlinkedSince[router] ?? state.start
                return RouterWitness(name: router, unlinkedFor: isLinked ? nil : since.duration(to: now), lease: lease)
            }
        }
    }
}
