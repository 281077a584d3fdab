// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
internal import Messaging
package import NIOCore
package import Observability

/// What an edge admits: every limit of `rates` in `cluster.yaml`, asked before the work that it protects is done.
///
/// May be used from any thread; a question takes a lock for some hundred nanoseconds. Each edge counts for itself: there
/// is no round trip, and what an edge can bear is its own affair. Registers its metrics, so it is made once per registry.
package final class AdmissionControl: Sendable {
    /// A random part of at most this is added to the pause that is told, so that those who were refused in the same
    /// instant do not come back in one.
    static let jitterMax = TimeAmount.milliseconds(250)

    let addressing: ClientAddressing
    let now: @Sendable () -> NIODeadline
    /// For ``RateName/commandsPerSession``: each session has a bucket of its own.
    let commandsPerSession: RateLimit?
    private let exempt: [NetworkPrefix]
    private let connectionsPerAddress: RateTable<ClientAddress>?
    private let connectionsPerNode: NodeRate?
    private let authentications: AdmissionQueue?
    private let loginsPerAddress: RateTable<ClientAddress>?
    private let loginFailures: RateTable<String>?
    private let refreshesPerAddress: RateTable<ClientAddress>?
    private let requestsPerAddress: RateTable<ClientAddress>?
    private let requestsPerUser: RateTable<UserID>?
    private let sendsPerUser: RateTable<UserID>?
    private let sendsPerNode: NodeRate?
    private let refusals: [RateName: Counter]

    /// - Parameters:
    ///   - waitMax: The longest time that somebody who wants to begin a session is asked to wait.
    ///   - now: The clock; never goes back.
    package init(
        _ rates: ClusterSettings.Rates,
        waitMax: Duration,
        metrics: MetricsRegistry,
        now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        func table<Key>(_ rate: Rate?) -> RateTable<Key>? { rate.map { RateTable(RateLimit($0)) } }
        func node(_ rate: Rate?) -> NodeRate? { rate.map { NodeRate(RateLimit($0), now: now()) } }
        self.addressing = ClientAddressing(trustedProxies: rates.trustedProxies)
        self.now = now
        self.exempt = rates.exemptAddresses
        self.commandsPerSession = rates.commandsPerSession.map { RateLimit($0) }
        self.connectionsPerAddress = table(rates.connectionsPerAddress)
        self.connectionsPerNode = node(rates.connectionsPerNode)
        self.authentications = rates.authenticationsPerNode.map {
            AdmissionQueue(RateLimit($0), longest: TimeAmount(waitMax), now: now())
        }
        self.loginsPerAddress = table(rates.loginsPerAddress)
        self.loginFailures = table(rates.loginFailuresPerUsername)
        self.refreshesPerAddress = table(rates.refreshesPerAddress)
        self.requestsPerAddress = table(rates.requestsPerAddress)
        self.requestsPerUser = table(rates.requestsPerUser)
        self.sendsPerUser = table(rates.sendsPerUser)
        self.sendsPerNode = node(rates.sendsPerNode)
        var refusals: [RateName: Counter] = [:]
        for name in RateName.allCases {
            refusals[name] = metrics.counter(
                "trunkline_edge_rate_limited_total",
                help: "What clients asked for and were refused by a limit of `rates`.",
                labels: ["what": name.rawValue]
            )
        }
        self.refusals = refusals
        self.report(to: metrics)
    }

    private func report(to metrics: MetricsRegistry) {
        let buckets = metrics.declare(
            .gauge,
            "trunkline_edge_rate_buckets",
            help: "Addresses, users and names that a limit of `rates` remembers; bounded.",
            labels: ["what"]
        )
        metrics.collect { [weak self] sink in
            guard let self else { return }
            let counts: [(RateName, Int?)] = [
                (.connectionsPerAddress, self.connectionsPerAddress?.count),
                (.loginsPerAddress, self.loginsPerAddress?.count),
                (.loginFailuresPerUsername, self.loginFailures?.count),
                (.refreshesPerAddress, self.refreshesPerAddress?.count),
                (.requestsPerAddress, self.requestsPerAddress?.count),
                (.requestsPerUser, self.requestsPerUser?.count),
                (.sendsPerUser, self.sendsPerUser?.count),
            ]
            for case (let name, let count?) in counts {
                sink.record(buckets, count, [name.rawValue])
            }
        }
    }

    // MARK: - Addresses

    /// Whom the limits per address count a client as, or nil for one that they do not hold for.
    ///
    /// - Parameter forwardedFor: The values of `X-Forwarded-For`.
    func address(of peer: IPAddress?, forwardedFor: @autoclosure () -> [String]) -> ClientAddress? {
        guard let peer else { return nil }
        var client = peer
        if self.addressing.isTrusted(peer) {
            client = self.addressing.client(peer: peer, forwardedFor: forwardedFor())
        }
        return self.exempt.contains { $0.contains(client) } ? nil : ClientAddress(client)
    }

    // MARK: - Questions

    /// A new connection. Fails with `rate_limited`.
    func admitConnection(from address: ClientAddress?) throws(Failure) {
        try self.take(.connectionsPerAddress, self.connectionsPerAddress, address)
        do {
            try self.take(.connectionsPerNode, self.connectionsPerNode)
        } catch {
            if let address { self.connectionsPerAddress?.giveBack(for: address) }
            throw error
        }
    }

    /// A request before anything of it is checked. Fails with `rate_limited`.
    func admitRequest(_ load: RequestLoad, from address: ClientAddress?) throws(Failure) {
        switch load {
        case .unlimited: return
        case .standard, .send: break
        case .login: try self.take(.loginsPerAddress, self.loginsPerAddress, address)
        case .refresh: try self.take(.refreshesPerAddress, self.refreshesPerAddress, address)
        }
        try self.take(.requestsPerAddress, self.requestsPerAddress, address)
    }

    /// A request whose token was good. Fails with `rate_limited`.
    func admitRequest(_ load: RequestLoad, by user: UserID) throws(Failure) {
        guard load != .unlimited else { return }
        try self.take(.requestsPerUser, self.requestsPerUser, user)
        if load == .send { try self.admitSend(by: user) }
    }

    /// A message, over WebSocket or REST. Fails with `rate_limited`.
    func admitSend(by user: UserID) throws(Failure) {
        try self.take(.sendsPerUser, self.sendsPerUser, user)
        do {
            try self.take(.sendsPerNode, self.sendsPerNode)
        } catch {
            self.sendsPerUser?.giveBack(for: user)
            throw error
        }
    }

    /// An attempt at a password counts as wrong until ``passwordWasRight(for:)``, so that many at once cannot all be
    /// made before the first is known to be wrong. Fails with `rate_limited`.
    func admitPassword(for username: String) throws(Failure) {
        try self.take(.loginFailuresPerUsername, self.loginFailures, username)
    }

    /// The attempt did not fail, or not because of the password.
    func passwordWasRight(for username: String) {
        self.loginFailures?.giveBack(for: username)
    }

    enum Turn: Equatable {
        case now
        /// After this time the session may begin without asking again; the failure says a little more.
        case later(TimeAmount, Failure)
        /// The wait would be too long.
        case never(Failure)
    }

    /// A session that wants to begin.
    func turnToAuthenticate() -> Turn {
        switch self.authentications?.arrive(now: self.now()) {
        case .granted, nil: .now
        case .reserved(let after): .later(after, self.refusal(.authenticationsPerNode, after: after))
        case .refused(let after): .never(self.refusal(.authenticationsPerNode, after: after))
        }
    }

    /// A turn will not be used, or was used for a token that is not good.
    func turnIsFree() {
        self.authentications?.leave()
    }

    // MARK: - Refusing

    /// Counts a refusal and says it.
    func refusal(_ name: RateName, after time: TimeAmount) -> Failure {
        self.refusals[name]?.increment()
        let jitter = TimeAmount.nanoseconds(.random(in: 0...Self.jitterMax.nanoseconds))
        return .rateLimited(name, after: time + jitter)
    }

    private func take<Key>(_ name: RateName, _ table: RateTable<Key>?, _ key: Key?) throws(Failure) {
        guard let table, let key, case .refused(let time) = table.take(for: key, now: self.now()) else { return }
        throw self.refusal(name, after: time)
    }

    private func take(_ name: RateName, _ rate: NodeRate?) throws(Failure) {
        guard let rate, case .refused(let time) = rate.take(now: self.now()) else { return }
        throw self.refusal(name, after: time)
    }
}

extension Failure {
    /// - Parameter time: Told in whole milliseconds, rounded up so that nobody comes early.
    static func rateLimited(_ name: RateName, after time: TimeAmount) -> Failure {
        let milliseconds = (max(time, .zero).nanoseconds + 999_999) / 1_000_000
        return Failure(.rateLimited, name.sentence, retryAfterMilliseconds: UInt32(clamping: milliseconds))
    }
}
