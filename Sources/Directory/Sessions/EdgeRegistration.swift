// SPDX-License-Identifier: Apache-2.0

/// Decides when an edge refills the registry, so that routers may trust it. A pure value: no clock, no I/O.
///
/// The edge holds its table of sessions and asks ``tick(now:life:)`` about once a second; what that says is carried out
/// with ``SessionRegistry``, and how it went is told here.
///
///     incomplete ──tick──▶ refilling ──refillEnded──▶ complete ──tick──▶ (renews the marker, refreshes in time)
///         ▲                    │ failed, or a registration failed meanwhile     │
///         └────────────────────┴── marker gone, a registration failed, ─────────┘
///                                  another life of the registry
///
/// An edge is complete once every session of its table is in Redis and the marker that says so is set. Emptying or
/// restarting Redis takes the marker away; the next renewal notices. Until the edge is complete again the routers send
/// it everything, so nothing here has to be fast or must not fail.
///
/// It is complete in one life of the registry. After a fail-over the old primary may go on answering some routers, from
/// entries that lack what is registered with the new one, and the other way round: so an edge that finds itself
/// connected to another life is incomplete before it announces anything that it registered there.
package struct EdgeRegistration: Sendable, Equatable {
    private enum State: Equatable {
        case incomplete
        case refilling(startedAt: ContinuousClock.Instant, in: RegistryLife, hasFailedRegistration: Bool)
        case complete(filledAt: ContinuousClock.Instant, in: RegistryLife)
    }

    private let refreshInterval: Duration
    private var state = State.incomplete

    /// - Parameter refreshInterval: How often the entries of long sessions are written again although nothing happened:
    ///   well below ``SessionRegistry/Lifetimes/entry``, after which Redis forgets them.
    package init(refreshInterval: Duration = .seconds(8 * 3600)) {
        self.refreshInterval = refreshInterval
    }

    /// Where the marker stands as far as the edge knows; nil where it does not.
    package var completeIn: RegistryLife? {
        if case .complete(_, let life) = self.state { life } else { nil }
    }

    package enum TickAction: Sendable, Equatable {
        case none
        /// Call ``SessionRegistry/renewComplete(_:)``, then ``markerRenewed(stands:)``; nothing when it throws.
        case renewMarker
        /// Call ``SessionRegistry/refill(_:_:)`` with all sessions, then ``refillEnded(succeeded:life:)``.
        case refill
    }

    /// The regular question. A failed refill is repeated with the next tick.
    ///
    /// - Parameter life: of the registry, as it is known now.
    package mutating func tick(now: ContinuousClock.Instant, life: RegistryLife) -> TickAction {
        switch self.state {
        case .incomplete:
            break
        case .refilling:
            return .none
        case .complete(let filledAt, let filled):
            guard filled != life || filledAt.duration(to: now) >= self.refreshInterval else { return .renewMarker }
        }
        self.state = .refilling(startedAt: now, in: life, hasFailedRegistration: false)
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

    /// A session was registered: in this life of the registry, or in one before.
    package mutating func registered(in life: RegistryLife) {
        switch self.state {
        case .incomplete:
            break
        case .refilling(let startedAt, let filled, let hasFailed):
            self.state = .refilling(
                startedAt: startedAt,
                in: filled,
                hasFailedRegistration: hasFailed || filled != life
            )
        case .complete(_, let filled):
            if filled != life { self.state = .incomplete }
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
        case .refilling(let startedAt, let life, _):
            self.state = .refilling(startedAt: startedAt, in: life, hasFailedRegistration: true)
            return .none
        case .complete:
            self.state = .incomplete
            return .clearMarker
        }
    }

    /// The refill was carried out to its end, the marker included, or was not.
    ///
    /// - Parameter life: of the registry, as it is known now: another one than at the beginning has only a part.
    package mutating func refillEnded(succeeded: Bool, life: RegistryLife) -> FailureAction {
        switch self.state {
        case .refilling(let startedAt, let filled, let hasFailedRegistration):
            guard succeeded, !hasFailedRegistration, filled == life else {
                self.state = .incomplete
                return .clearMarker
            }
            self.state = .complete(filledAt: startedAt, in: life)
            return .none
        case .incomplete, .complete:
            return .none
        }
    }
}
