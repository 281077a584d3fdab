// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Messaging
import Synchronization

/// Keeps the lease of this life of a node: takes it, renews it, gives it back.
///
/// Redis being away stops nothing (contract C6): it is logged once, and the lease is written as soon as Redis is back.
/// Another life under the same name does stop the node. Mesh and registry know a node by its name, so two lives of one
/// name would take each other's links and sessions for ever.
package final class LeaseKeeper: Sendable {
    private struct State {
        var lease: NodeLease
        /// Whether the last answer of Redis was a good one; nil before the first.
        var isReachable: Bool?
    }

    /// How often the first lease is asked for while another life holds it.
    private static let acquirePause: Duration = .milliseconds(100)

    private let leases: NodeLeases
    private let timeToLive: Duration
    private let renewal: Duration
    private let isFoundByLeaseAlone: Bool
    private let logger: Logger
    private let state: Mutex<State>

    /// - Parameter isFoundByLeaseAlone: of a router that no file lists.
    package init(
        leases: NodeLeases,
        lease: NodeLease,
        timeToLive: Duration,
        renewal: Duration,
        isFoundByLeaseAlone: Bool = false,
        logger: Logger
    ) {
        self.isFoundByLeaseAlone = isFoundByLeaseAlone
        self.leases = leases
        self.timeToLive = timeToLive
        self.renewal = renewal
        self.logger = logger
        self.state = Mutex(State(lease: lease))
    }

    package var nodeState: NodeState {
        self.state.withLock { $0.lease.state }
    }

    /// Whether Redis took or answered the last renewal; nil before the first.
    var isRedisReachable: Bool? {
        self.state.withLock { $0.isReachable }
    }

    private var incarnation: Incarnation {
        self.state.withLock { $0.lease.incarnation }
    }

    /// Takes the lease; waits a little longer than a lease lives for one that an earlier life left behind.
    ///
    /// Without Redis the node goes on without a lease; ``run(onLost:)`` writes it later. A router that others find through
    /// its lease alone waits for Redis instead: it would take slots that no edge could ask it for, and take the other
    /// routers, which have no link to it, for dead.
    ///
    /// - Parameter shouldStop: Asked between attempts; when it says yes, this returns without a lease.
    /// - Throws: When another life keeps the name.
    package func acquire(unless shouldStop: @Sendable () -> Bool) async throws(OperationsError) {
        var deadline = ContinuousClock.now + self.timeToLive + self.renewal
        var isWaiting = false
        var waitsForRedis = false
        while !shouldStop() {
            switch await self.renew() {
            case .held: return
            case nil:
                guard self.isFoundByLeaseAlone else { return }
                if !waitsForRedis {
                    self.logger.warning(
                        "no file lists this router, so that others find it through Redis: waiting for it"
                    )
                    waitsForRedis = true
                }
                // A life that has the name gets its time from when Redis says so.
                deadline = ContinuousClock.now + self.timeToLive + self.renewal
            case .heldBy(let other):
                guard ContinuousClock.now < deadline else { throw Self.nameIsTaken(by: other) }
                if !isWaiting {
                    self.logger.notice(
                        "an earlier life of this node still has its lease; waiting for it to run out",
                        metadata: [
                            "incarnation": "\(other.incarnation)", "since": "\(Self.time(other.since))",
                            "at_most": "\(self.timeToLive + self.renewal)",
                        ]
                    )
                    isWaiting = true
                }
            case .heldByUnreadable:
                guard ContinuousClock.now < deadline else { throw self.nameIsTakenByUnreadable }
            }
            try? await Task.sleep(for: Self.acquirePause)
        }
    }

    /// Renews the lease until the task is cancelled.
    ///
    /// An earlier life may seem to hold the name again for as long as a lease lives: a replica that took the place of
    /// Redis' primary did not know yet that it was over. One that holds it for longer lives.
    ///
    /// - Parameter onLost: Called once, when another life took the name; this returns then.
    package func run(onLost: @Sendable (OperationsError) -> Void) async {
        var heldBefore: ContinuousClock.Instant?
        while !Task.isCancelled {
            switch await self.renew() {
            case .held: heldBefore = nil
            case nil: break
            case .heldBy(let other) where other.incarnation < self.incarnation:
                let since = heldBefore ?? .now
                heldBefore = since
                guard since.duration(to: .now) < self.timeToLive + self.renewal else {
                    return onLost(Self.nameIsTaken(by: other))
                }
            case .heldBy(let other): return onLost(Self.nameIsTaken(by: other))
            case .heldByUnreadable: return onLost(self.nameIsTakenByUnreadable)
            }
            try? await Task.sleep(for: self.renewal)
        }
    }

    /// Changes the state of the node and tells it at once.
    package func enter(_ state: NodeState) async {
        self.state.withLock { $0.lease.state = state }
        _ = await self.renew()
    }

    /// Gives the lease back, if it is still that of this life.
    package func release() async {
        let lease = self.state.withLock { $0.lease }
        do {
            try await self.leases.releaseLease(name: lease.name, incarnation: lease.incarnation)
        } catch {
            self.logger.notice(
                "the node's lease was not given back; it runs out by itself",
                metadata: ["reason": "\(Self.reason(error))", "after": "\(self.timeToLive)"]
            )
        }
    }

    // MARK: - Private

    /// Nil when Redis gave no usable answer.
    private func renew() async -> NodeLeases.Outcome? {
        let lease = self.state.withLock { $0.lease }
        do {
            let outcome = try await self.leases.renewLease(lease, timeToLive: self.timeToLive)
            if self.noteReachable(true) == false {
                self.logger.notice("Redis answers again; the node's lease is written")
            }
            return outcome
        } catch {
            if self.noteReachable(false) != false {
                self.logger.warning(
                    "the node's lease cannot be written to Redis; the node goes on without it",
                    metadata: ["reason": "\(Self.reason(error))"]
                )
            }
            return nil
        }
    }

    /// Returns what was known before.
    private func noteReachable(_ isReachable: Bool) -> Bool? {
        self.state.withLock { state in
            defer { state.isReachable = isReachable }
            return state.isReachable
        }
    }

    private var nameIsTakenByUnreadable: OperationsError {
        let name = self.state.withLock { $0.lease.name }
        return OperationsError(
            "something that cannot be read holds the lease of \(name) in Redis",
            remedy: "stop other programs that write to this Redis database, or give the cluster another one"
        )
    }

    private static func nameIsTaken(by other: NodeLease) -> OperationsError {
        let place = other.httpAddress.map { " at \($0)" } ?? ""
        return OperationsError(
            "\(other.name) is running already\(place), since \(Self.time(other.since))",
            remedy: "stop that one, or run another node of cluster.yaml; `trunkline status` lists them"
        )
    }

    private static func reason(_ error: any Error) -> String {
        (error as? DirectoryError)?.message ?? "\(error)"
    }

    private static func time(_ milliseconds: UnixMilliseconds) -> String {
        UTCTime.text(of: milliseconds)
    }
}
