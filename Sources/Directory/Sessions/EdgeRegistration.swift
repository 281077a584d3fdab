// SPDX-License-Identifier: Apache-2.0

/// Decides when an edge refills the registry, so that routers may trust it. A pure value: no clock, no I/O.
///
/// The edge holds its table of sessions and asks ``tick(now:)`` about once a second; what that says is carried out with
/// ``SessionRegistry``, and how it went is told here.
///
///     incomplete ──tick──▶ refilling ──refillEnded──▶ complete ──tick──▶ (renews the marker, refreshes in time)
///         ▲                    │ failed, or a registration failed meanwhile     │
///         └────────────────────┴───────── marker gone, a registration failed ───┘
///
/// An edge is complete once every session of its table is in Redis and the marker that says so is set. Emptying or
/// restarting Redis takes the marker away; the next renewal notices. Until the edge is complete again the routers send
/// it everything, so nothing here has to be fast or must not fail.
package struct EdgeRegistration: Sendable, Equatable {
    private enum State: Equatable {
        case incomplete
        case refilling(startedAt: ContinuousClock.Instant, hasFailedRegistration: Bool)
        case complete(filledAt: ContinuousClock.Instant)
    }

    private let refreshInterval: Duration
    private var state = State.incomplete

    /// - Parameter refreshInterval: How often the entries of long sessions are written again although nothing happened:
    ///   well below ``SessionRegistry/Lifetimes/entry``, after which Redis forgets them.
    package init(refreshInterval: Duration = .seconds(8 * 3600)) {
        self.refreshInterval = refreshInterval
    }

    /// Whether the marker stands as far as the edge knows.
    package var isComplete: Bool {
        if case .complete = self.state { true } else { false }
    }

    package enum TickAction: Sendable, Equatable {
        case none
        /// Call ``SessionRegistry/renewComplete(_:)``, then ``markerRenewed(stands:)``; nothing when it throws.
        case renewMarker
        /// Call ``SessionRegistry/refill(_:_:)`` with all sessions, then ``refillEnded(succeeded:)``.
        case refill
    }

    /// The regular question. A failed refill is repeated with the next tick.
    package mutating func tick(now: ContinuousClock.Instant) -> TickAction {
        switch self.state {
        case .incomplete:
            break
        case .refilling:
            return .none
        case .complete(let filledAt):
            guard filledAt.duration(to: now) >= self.refreshInterval else { return .renewMarker }
        }
        self.state = .refilling(startedAt: now, hasFailedRegistration: false)
        return .refill
    }

    /// The marker was prolonged, or was found missing.
    package mutating func markerRenewed(stands: Bool) {
        switch self.state {
        case .complete:
            if !stands { self.state = .incomplete }
        case .incomplete, .refilling:
            break
        }
    }

    package enum FailureAction: Sendable, Equatable {
        case none
        /// Call ``SessionRegistry/clearComplete(_:)``. If that fails as well, the marker expires.
        case clearMarker
    }

    /// A session was opened whose registration failed, or has an unknown outcome.
    package mutating func registrationFailed() -> FailureAction {
        switch self.state {
        case .incomplete:
            return .none
        case .refilling(let startedAt, _):
            self.state = .refilling(startedAt: startedAt, hasFailedRegistration: true)
            return .none
        case .complete:
            self.state = .incomplete
            return .clearMarker
        }
    }

    /// The refill was carried out to its end, the marker included, or was not.
    package mutating func refillEnded(succeeded: Bool) -> FailureAction {
        switch self.state {
        case .refilling(let startedAt, let hasFailedRegistration):
            guard succeeded, !hasFailedRegistration else {
                self.state = .incomplete
                return .clearMarker
            }
            self.state = .complete(filledAt: startedAt)
            return .none
        case .incomplete, .complete:
            return .none
        }
    }
}
