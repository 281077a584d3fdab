// SPDX-License-Identifier: Apache-2.0

/// Which address is tried next on the way to the primary. A pure value: no clock, no I/O.
///
/// The addresses are gone through in rounds: each is tried once, at once after the one before; only when none of them
/// led to the primary is there a pause. The one that did stays in front, so that the next search begins with it.
///
///     servers    connect A ──failed──▶ connect B ──failed──▶ (round is over, pause) connect A …
///     sentinels  ask S ──told P──▶ connect P ──failed──▶ ask T ──told P──▶ (known to fail) ask U …
///
/// A sentinel may not have noticed a fail-over yet, or be cut off from it, so one whose answer does not lead to a
/// primary is followed by the next one. An address that failed is not dialled twice in a round.
struct PrimarySearch {
    enum Step: Hashable {
        case connect(RedisAddress)
        /// Ask this sentinel where the primary is.
        case ask(RedisAddress)
    }

    enum Verdict: Hashable {
        /// There is another step to be taken at once.
        case goOn
        /// Every address has failed since the last pause.
        case roundIsOver
    }

    private let asksSentinels: Bool
    /// Servers or sentinels; the next one is in front.
    private var addresses: [RedisAddress]
    /// Of the addresses, in this round.
    private var failures = 0
    /// What the sentinel in front has said.
    private var told: RedisAddress?
    /// Servers that sentinels have named in this round, in vain.
    private var failedServers: Set<RedisAddress> = []

    init(_ place: RedisEndpoint.Place) {
        switch place {
        case .servers(let addresses):
            (self.asksSentinels, self.addresses) = (false, addresses)
        case .sentinels(let addresses, _, _):
            (self.asksSentinels, self.addresses) = (true, addresses)
        }
    }

    /// Nil when there is no address at all.
    var nextStep: Step? {
        if let told = self.told { return .connect(told) }
        return self.addresses.first.map { self.asksSentinels ? .ask($0) : .connect($0) }
    }

    /// The sentinel that was asked says that the primary is there.
    mutating func sentinelAnswered(_ primary: RedisAddress) -> Verdict {
        guard !self.failedServers.contains(primary) else { return self.stepFailed() }
        self.told = primary
        return .goOn
    }

    /// The step did not lead to a primary: nobody answered, it is a replica, a sentinel that knows nothing, or a
    /// connection that ended as soon as it was made.
    mutating func stepFailed() -> Verdict {
        if let told = self.told { self.failedServers.insert(told) }
        self.told = nil
        self.failures += 1
        self.putFirstLast()
        guard self.failures >= self.addresses.count else { return .goOn }
        self.beginRound()
        return .roundIsOver
    }

    /// A connection to the primary that lived has ended. What ended it may be a fail-over, so another server than this
    /// one comes first; the sentinel that knew the primary is asked again.
    mutating func connectionEnded() {
        if !self.asksSentinels { self.putFirstLast() }
        self.beginRound()
    }

    private mutating func beginRound() {
        self.failures = 0
        self.told = nil
        self.failedServers = []
    }

    private mutating func putFirstLast() {
        guard self.addresses.count > 1 else { return }
        self.addresses.append(self.addresses.removeFirst())
    }
}
