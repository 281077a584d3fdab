// SPDX-License-Identifier: Apache-2.0

import Messaging
import Redis

/// What one name has in Redis.
package enum NodeRecord: Sendable, Equatable {
    case none
    /// - timeLeft: until it runs out by itself.
    case lease(NodeLease, timeLeft: Duration)
    /// Something else stands under the name, which no node of this name can take it from.
    case unreadable([UInt8])
}

/// The leases of the nodes: who lives, in which role and state, and where.
///
/// A lease is a guess about liveness and decides nothing; views in Postgres do. Names with a lease are found through
/// a set of names, because finding them by pattern would walk over every key that Redis has. Any task or thread may
/// call.
package struct NodeLeases: Sendable {
    /// How often a node asks again while another one holds its name.
    private static let acquirePause: Duration = .milliseconds(100)

    private let connection: RedisConnection
    private let keys: DirectoryKeys

    package init(connection: RedisConnection, cluster: String) {
        self.connection = connection
        self.keys = DirectoryKeys(cluster: cluster)
    }

    package enum Outcome: Sendable, Equatable {
        case held
        /// Another life of the same name has the lease; nothing was written.
        case heldBy(NodeLease)
        /// Something that cannot be understood has the lease; nothing was written.
        case heldByUnreadable
    }

    /// Writes the lease with a new time to live, unless another life of the name holds it.
    ///
    /// A lease that expired or was lost with Redis is simply written again.
    ///
    /// - Throws: `.tooManyNodes` at ``DirectoryLimits/nodesMax``; `.tooLarge` when the lease is larger than
    ///   ``DirectoryLimits/leaseBytesMax``.
    package func renewLease(_ lease: NodeLease, timeToLive: Duration) async throws(DirectoryError) -> Outcome {
        guard let stored = lease.stored else {
            throw DirectoryError(.tooLarge, "The lease of node \(lease.name.prefix(64)) is too large to be stored.")
        }
        let reply = try await self.connection.carryOut(
            LeaseScripts.take,
            keys: self.keysOfChange(lease.name),
            arguments: [
                String(decoding: stored, as: UTF8.self),
                timeToLive.redisMilliseconds,
                lease.name,
                String(DirectoryLimits.nodesMax),
            ]
        )
        switch reply {
        case .null:
            return .held
        case .string(let bytes):
            return NodeLease(stored: bytes, name: lease.name).map(Outcome.heldBy) ?? .heldByUnreadable
        case .integer, .array, .status, .error:
            throw DirectoryError.unexpected("a lease")
        }
    }

    /// The first lease of a life: waits for another life's to expire or to be released, but only for so long.
    ///
    /// - Parameter wait: A little more than the time to live is enough for a node that died; the name of one that
    ///   lives is not to be had.
    /// - Returns: `.heldBy` when the wait is over, or the task cancelled, and another life still has the name.
    package func acquireLease(
        _ lease: NodeLease,
        timeToLive: Duration,
        waitingAtMost wait: Duration
    ) async throws(DirectoryError) -> Outcome {
        let deadline = ContinuousClock.now + wait
        while true {
            let outcome = try await self.renewLease(lease, timeToLive: timeToLive)
            let left = ContinuousClock.now.duration(to: deadline)
            guard outcome != .held, left > .zero else { return outcome }
            do {
                try await Task.sleep(for: min(Self.acquirePause, left))
            } catch {
                return outcome
            }
        }
    }

    /// Gives a lease back, but only that of this life.
    ///
    /// - Returns: Whether it was held.
    @discardableResult
    package func releaseLease(name: String, incarnation: Incarnation) async throws(DirectoryError) -> Bool {
        let reply = try await self.connection.carryOut(
            LeaseScripts.release,
            keys: self.keysOfChange(name),
            arguments: [incarnation.description, name]
        )
        return reply.integer == 1
    }

    /// The nodes that live, in the order of their names.
    package struct Listing: Sendable, Equatable {
        package var leases: [NodeLease] = []
        /// What was left of each lease when it was read, by the name of its node.
        package var timeLeft: [String: Duration] = [:]
        /// Leases that could not be understood and were left out.
        package var malformedEntries = 0
        /// The names that they are under.
        package var malformedNames: [String] = []

        package init() {}
    }

    /// Reads all leases, in two round trips. Names whose lease expired are forgotten on the way.
    package func leases() async throws(DirectoryError) -> Listing {
        let reply = try await self.connection.carryOut([RedisCommand("SMEMBERS", self.keys.nodes)]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        guard let members = reply?.array else { throw DirectoryError.unexpected("the names of the nodes") }
        var listing = Listing()
        let names = members.compactMap(\.text).sorted().prefix(DirectoryLimits.nodesMax)
        listing.malformedEntries += members.count - names.count
        guard !names.isEmpty else { return listing }

        let keys = names.map(self.keys.node)
        let replies = try await self.connection.carryOut(
            [RedisCommand("MGET", keys)] + keys.map { RedisCommand("PTTL", $0) }
        )
        if let text = replies.first?.errorText { throw DirectoryError(refusal: text) }
        guard let values = replies.first?.array, values.count == names.count, replies.count == names.count + 1 else {
            throw DirectoryError.unexpected("the leases of the nodes")
        }
        var expired: [String] = []
        for ((name, value), left) in zip(zip(names, values), replies.dropFirst()) {
            guard let bytes = value.bytes else {
                expired.append(name)
                continue
            }
            if let lease = NodeLease(stored: bytes, name: name) {
                listing.leases.append(lease)
                // Negative when it ran out, or was given back, in between.
                listing.timeLeft[name] = .milliseconds(max(0, left.integer ?? 0))
            } else {
                listing.malformedEntries += 1
                listing.malformedNames.append(name)
            }
        }
        try await self.forget(expired)
        return listing
    }

    /// What is there under one name.
    package func record(of name: String) async throws(DirectoryError) -> NodeRecord {
        let key = self.keys.node(name)
        let replies = try await self.connection.carryOut([RedisCommand("GET", key), RedisCommand("PTTL", key)])
        guard let held = replies.first, replies.count == 2 else { throw DirectoryError.unexpected("a lease") }
        if let text = held.errorText { throw DirectoryError(refusal: text) }
        guard let bytes = held.bytes else { return .none }
        guard let lease = NodeLease(stored: bytes, name: name) else { return .unreadable(bytes) }
        return .lease(lease, timeLeft: .milliseconds(max(0, replies[1].integer ?? 0)))
    }

    /// Takes away what cannot be read under a name, if it is still the same.
    ///
    /// - Returns: Whether it was.
    @discardableResult
    package func discard(unreadable bytes: [UInt8], of name: String) async throws(DirectoryError) -> Bool {
        // Sent with its text each time: the usual way takes text alone, and this happens once in years.
        let keys = self.keysOfChange(name)
        let arguments = [LeaseScripts.discard.source, String(keys.count)] + keys
        let command = RedisCommand("EVAL", arguments: arguments.map { Array($0.utf8) } + [bytes, Array(name.utf8)])
        let reply = try await self.connection.carryOut([command]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        return reply?.integer == 1
    }

    private func forget(_ names: [String]) async throws(DirectoryError) {
        let calls = names.map {
            RedisScript.Call(keys: self.keysOfChange($0), arguments: [$0])
        }
        _ = try await self.connection.carryOut(LeaseScripts.forget, calls)
    }

    private func keysOfChange(_ name: String) -> [String] {
        [self.keys.node(name), self.keys.nodes, self.keys.nodesChanged]
    }

    /// Differs from what it was whenever a node came, went or changed its lease otherwise; nil when Redis was emptied.
    ///
    /// Nodes that only watch ask this, which is one small value, and read all leases when it has changed. A lease that
    /// ran out changes it as soon as somebody reads the leases.
    package func changeMark() async throws(DirectoryError) -> String? {
        let reply = try await self.connection.carryOut([RedisCommand("GET", self.keys.nodesChanged)]).first
        if let text = reply?.errorText { throw DirectoryError(refusal: text) }
        return reply?.text
    }
}
