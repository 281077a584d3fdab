// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging

/// Whether a node's record may be taken away: only of a node that has ended, serves nobody and owns nothing. Pure.
///
/// It fails closed: what is not known counts as if the node lived. A node that lives would write its lease again anyway; the
/// gate is for those who delete its machine next.
package struct RemovalGate: Sendable, Equatable {
    /// What a router knows of the node.
    package enum Witness: Sendable, Equatable {
        /// It has a link to it, and the node said so of itself.
        case report(NodeCondition)
        /// It has a link to it, and the node did not answer.
        case silentLink
        case noLink
        /// The router could not be asked; why.
        case unknown(String)
    }

    /// What answers at the node's address.
    package enum Presence: Sendable, Equatable {
        case answers
        /// Another program has its address.
        case stranger
        /// Nothing listens there.
        case nothing
        /// Something has the address and gives no answer, as a process that is frozen, or the machine cannot be reached.
        case silent(String)
        /// No address is known.
        case unknown
    }

    /// What a shard says.
    package enum Seat: Sendable, Equatable {
        case none
        /// The node is in its view, and owns so many of its slots.
        case member(slots: Int)
        /// The shard could not be asked; why.
        case unknown(String)
    }

    package var node: String
    package var record: NodeRecord
    /// Whether the lease was not renewed for so long that a node that lives would have.
    package var isLeaseStale: Bool
    /// Whether the file of whoever looks lists it.
    package var isListed: Bool
    /// Whether the log has an order about it.
    package var isInLog: Bool
    /// By the router's name.
    package var witnesses: [String: Witness]
    package var presence: Presence
    /// By the shard's name.
    package var seats: [String: Seat]

    package init(
        node: String,
        record: NodeRecord,
        isLeaseStale: Bool,
        isListed: Bool,
        isInLog: Bool,
        witnesses: [String: Witness],
        presence: Presence,
        seats: [String: Seat]
    ) {
        self.node = node
        self.record = record
        self.isLeaseStale = isLeaseStale
        self.isListed = isListed
        self.isInLog = isInLog
        self.witnesses = witnesses
        self.presence = presence
        self.seats = seats
    }

    /// - Throws: what stands against it, and what to do.
    package func check() throws(OperationsError) {
        if let error = self.refusalOfLiving ?? self.refusalOfUnknown ?? self.refusalOfOwner { throw error }
        guard self.record != .none || self.isListed || self.isInLog else {
            throw OperationsError(
                "there is no node of this name: it has no lease, no place in a view and no link, and the log has no order "
                    + "about it",
                remedy: "`trunkline nodes` lists the nodes",
                kind: .notFound
            )
        }
    }

    // MARK: - Private

    private func refusal(_ message: String, _ remedy: String) -> OperationsError {
        OperationsError(message, remedy: remedy, kind: .refused)
    }

    /// Signs of life, the most telling first.
    private var refusalOfLiving: OperationsError? {
        let sorted = self.witnesses.sorted { $0.key < $1.key }
        for (_, witness) in sorted {
            if case .report(let condition) = witness { return self.refusal(of: condition) }
        }
        for (router, witness) in sorted where witness == .silentLink {
            return self.refusal(
                "\(router) has a link to it, and it does not answer: it lives, or has died a moment ago",
                "say the same again in a few seconds"
            )
        }
        if self.presence == .answers {
            return self.refusal(
                "it answers at its address, though no router has a link to it",
                "stop its process, then say the same again"
            )
        }
        if case .lease = self.record, !self.isLeaseStale {
            return self.refusal(
                "it has renewed its lease a moment ago, so it lives somewhere, though nobody has a link to it",
                "stop its process, then say the same again"
            )
        }
        return nil
    }

    private func refusal(of condition: NodeCondition) -> OperationsError {
        switch condition.state {
        case "serving":
            return self.refusal(
                "it serves: \(condition.obstacles.joined(separator: "; "))",
                "empty it with `trunkline drain \(self.node)`, stop its process, then say the same again"
            )
        case "draining" where !condition.safeToRemove:
            return self.refusal(
                "it is not empty yet: \(condition.obstacles.joined(separator: "; "))",
                "wait for it with `trunkline drain \(self.node)`, stop its process, then say the same again"
            )
        case "draining":
            return self.refusal(
                "it is empty, and still runs",
                "stop its process, then say the same again; or take it back with `trunkline undrain \(self.node)`"
            )
        default:
            return self.refusal("it is \(condition.state)", "wait until its process has ended, then say the same again")
        }
    }

    private var refusalOfUnknown: OperationsError? {
        for (router, witness) in self.witnesses.sorted(by: { $0.key < $1.key }) {
            guard case .unknown(let reason) = witness else { continue }
            return self.refusal(
                "it is not known whether \(router) has a link to it: \(reason)",
                "see `trunkline doctor`, then say the same again"
            )
        }
        guard !self.isEdge else { return nil }
        for (shard, seat) in self.seats.sorted(by: { $0.key < $1.key }) {
            guard case .unknown(let reason) = seat else { continue }
            return self.refusal(
                "it is not known whether it is in the view of \(shard): \(reason)",
                "see `trunkline doctor`, then say the same again"
            )
        }
        return nil
    }

    /// An edge is in no view, so a shard that is away hides nothing.
    private var isEdge: Bool {
        if case .lease(let lease, _) = self.record { lease.role == .edge } else { false }
    }

    private var refusalOfOwner: OperationsError? {
        let seats = self.seats.sorted { $0.key < $1.key }.compactMap { shard, seat -> String? in
            guard case .member(let slots) = seat else { return nil }
            return "\(shard) (\(counted(slots, "slot")))"
        }
        guard !seats.isEmpty else { return nil }
        return self.refusal(
            "it is in the view of \(seats.joined(separator: ", ")): nobody has taken over yet",
            "others do within seconds, as long as another router lives; say the same again then"
        )
    }
}
