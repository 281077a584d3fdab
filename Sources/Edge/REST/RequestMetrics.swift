// SPDX-License-Identifier: Apache-2.0

internal import Observability
import Synchronization

/// Counts requests by route and status, and times them by route. May be used from any thread.
///
/// Bounded: routes are known, statuses few, and what no route takes is counted under one name.
final class RequestMetrics: Sendable {
    private struct Outcome: Hashable {
        var method: String
        var route: String
        var status: Int
    }

    /// The name under which requests to unknown paths, and with methods that a path does not take, are counted.
    static let unmatched = "unmatched"

    private let outcomes = Mutex<[Outcome: UInt64]>([:])
    private let durations: [String: Histogram]

    init(_ registry: MetricsRegistry, routes: [Route]) {
        let help = "From the head of a request to REST until its answer was ready."
        var durations: [String: Histogram] = [:]
        for template in Set(routes.map(\.template)).sorted() + [Self.unmatched] {
            durations[template] = registry.histogram(
                "trunkline_http_request_duration_seconds",
                help: help,
                labels: ["route": template]
            )
        }
        self.durations = durations
        let requests = registry.declare(
            .counter,
            "trunkline_http_requests_total",
            help: "Requests to REST that were answered.",
            labels: ["method", "route", "status"]
        )
        registry.collect { [weak self] sink in
            guard let self else { return }
            for (outcome, count) in self.outcomes.withLock({ $0 }) {
                sink.record(requests, count, [outcome.method, outcome.route, String(outcome.status)])
            }
        }
    }

    func requestEnded(method: String, route: String?, status: Int, duration: Duration) {
        let route = route ?? Self.unmatched
        // A method is the client's text: only on a known route is it one of a few.
        let outcome = Outcome(method: route == Self.unmatched ? "any" : method, route: route, status: status)
        self.outcomes.withLock { $0[outcome, default: 0] += 1 }
        self.durations[route]?.observe(duration)
    }
}
