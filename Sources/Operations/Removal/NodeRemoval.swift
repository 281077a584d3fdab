// SPDX-License-Identifier: Apache-2.0

import Directory
import Foundation
import Messaging
import Storage

/// What became of an order to remove a node.
package struct NodeRemoval: Codable, Sendable, Equatable {
    /// What was under its name in Redis.
    package struct Record: Codable, Sendable, Equatable {
        /// All but this are left out of one that could not be read.
        package var isReadable: Bool
        package var role: String?
        package var incarnation: String?
        /// When this life of the node began.
        package var since: String?
        /// Until it would have run out by itself.
        package var secondsLeft: Int64?

        /// Nil when there is none.
        init?(_ record: NodeRecord) {
            switch record {
            case .none: return nil
            case .unreadable: self.isReadable = false
            case .lease(let lease, let timeLeft):
                self.isReadable = true
                self.role = lease.role.rawValue
                self.incarnation = "\(lease.incarnation)"
                self.since = UTCTime.text(of: lease.since)
                // Begun seconds count.
                self.secondsLeft = timeLeft.components.seconds + 1
            }
        }

        fileprivate var text: String {
            guard self.isReadable else { return "a lease that cannot be read" }
            return
                "the lease of \(self.role ?? "a node"), incarnation \(self.incarnation ?? "-"), since \(self.since ?? "-")"
        }
    }

    package var node: String
    /// Whether a record was taken away; false when there was none any more, and of a trial.
    package var removed: Bool
    package var isTrial: Bool
    /// What there was; left out when there was none.
    package var record: Record?
    /// What the operator should know besides.
    package var notes: [String]

    /// Of a gate that lets it pass. Pure.
    init(_ gate: RemovalGate, isTrial: Bool) {
        self.node = gate.node
        self.record = Record(gate.record)
        self.isTrial = isTrial
        self.removed = self.record != nil && !isTrial
        self.notes = []
        if gate.isListed {
            self.notes.append(
                "cluster.yaml lists it: take it out there, or `trunkline status` goes on telling that it is missing"
            )
        }
        if case .silent(let reason) = gate.presence {
            self.notes.append(
                "nothing answers at its address (\(reason)): if its process is only frozen, it takes its lease again when it "
                    + "wakes; end it"
            )
        }
    }

    /// For people.
    package var text: String {
        var lines: [String] = []
        if let record = self.record {
            let left =
                record.secondsLeft.map { ", which \(self.isTrial ? "runs" : "would have run") out in \($0) s" } ?? ""
            lines.append(
                self.isTrial
                    ? "Nothing was done. It would take away \(record.text)\(left)."
                    : "\(self.node) is removed: \(record.text)\(left), is gone."
            )
        } else {
            lines.append(
                "Nothing is left of \(self.node): it has no lease, no place in a view, and nobody has a link to it."
            )
        }
        return (lines + self.notes.map { "Note: \($0)." }).joined(separator: "\n")
    }

    /// What the log keeps of it.
    fileprivate var detail: String {
        guard let record = self.record else { return "\(self.node), of which nothing was left" }
        return "\(self.node), \(record.incarnation.map { "incarnation \($0)" } ?? "a lease that could not be read")"
    }

    package func json() throws -> String { try JSONText.text(of: self, onOneLine: true) }

    package init(json: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(Self.self, from: Data(json.utf8))
    }
}

/// The body of an order to remove a node.
package struct RemovalOrder: Codable, Sendable, Equatable {
    package var isTrial: Bool
    package var operatorName: String?

    package init(isTrial: Bool = false, operatorName: String? = nil) {
        self.isTrial = isTrial
        self.operatorName = operatorName
    }

    private enum CodingKeys: String, CodingKey {
        case isTrial = "dry_run"
        case operatorName = "operator"
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.isTrial = try container.decodeIfPresent(Bool.self, forKey: .isTrial) ?? false
        self.operatorName = try container.decodeIfPresent(String.self, forKey: .operatorName)
    }

    package var json: String {
        (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// - Parameter json: may be empty.
    package init(json: [UInt8]) throws(OperationsError) {
        guard !json.isEmpty else {
            self.init()
            return
        }
        guard let order = try? JSONDecoder().decode(Self.self, from: Data(json)) else {
            throw OperationsError(
                "the body is not what is understood here",
                remedy: "send an object with the truth value dry_run and the text operator, or nothing",
                kind: .invalid
            )
        }
        guard order.operatorName.map(NodeOrder.isOperatorName) ?? true else { throw NodeOrder.wrongOperatorName }
        self = order
    }

    /// What the log of a shard keeps of it.
    func logEntry(of removal: NodeRemoval, at now: UnixMilliseconds) -> OperatorLogEntry {
        OperatorLogEntry(
            at: now,
            operatorName: self.operatorName ?? NodeOrder.namelessOperator,
            action: "remove",
            detail: removal.detail
        )
    }
}
