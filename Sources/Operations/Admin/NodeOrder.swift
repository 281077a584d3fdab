// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Messaging
import Storage
import Wire

/// What an operator wants of a node, as the command line and the admin interface take it.
package struct NodeOrder: Sendable, Equatable {
    package enum Verb: String, Sendable, CaseIterable {
        case drain, undrain, shed

        fileprivate var wire: OperateNode.Verb {
            switch self {
            case .drain: .drain
            case .undrain: .undrain
            case .shed: .shed
            }
        }
    }

    /// Sessions in a second where nothing else is said.
    package static let standardRate: UInt32 = 100
    package static let standardWindow: Duration = .seconds(1)
    package static let rateMax = OperateNode.rateMax
    package static let windowMax: Duration = .milliseconds(OperateNode.windowMillisecondsMax)

    package var verb: Verb
    package var rate: UInt32
    package var windowMilliseconds: UInt32
    package var count: UInt32
    /// `HOST:PORT` of the edges to go to; empty for all others that are ready.
    package var targets: [String]
    /// Who gives it, as they call themselves, for the log. The secret is the same for all, so nothing proves it.
    package var operatorName: String?
    /// Only how the node is now is wanted, to see what the order would do.
    package var isTrial: Bool
    /// Of a drain: whether an edge is emptied although no other one would take its sessions.
    package var allowsGap: Bool

    /// UTF-8 bytes.
    package static let operatorNameMax = 200
    /// Whom the log names where nobody was named.
    static let namelessOperator = "somebody who gave no name"

    package init(
        _ verb: Verb,
        rate: UInt32 = standardRate,
        windowMilliseconds: UInt32 = 1000,
        count: UInt32 = 0,
        targets: [String] = [],
        operatorName: String? = nil,
        isTrial: Bool = false,
        allowsGap: Bool = false
    ) {
        self.allowsGap = allowsGap
        self.isTrial = isTrial
        self.operatorName = operatorName
        self.verb = verb
        self.rate = rate
        self.windowMilliseconds = windowMilliseconds
        self.count = count
        self.targets = targets
    }

    /// The form on the mesh.
    package var message: OperateNode {
        OperateNode(
            self.verb.wire,
            rate: self.rate,
            windowMilliseconds: self.windowMilliseconds,
            count: self.count,
            targets: self.targets
        )
    }

    /// What the log of a shard keeps of it.
    func logEntry(of node: String, at now: UnixMilliseconds) -> OperatorLogEntry {
        let pace = "\(self.rate) in a second, each within \(self.windowMilliseconds) ms"
        let detail =
            switch self.verb {
            case .drain: "\(node), \(pace)"
            case .undrain: node
            case .shed: self.count == 0 ? "\(node), nobody more" : "\(node), \(self.count) sessions, \(pace)"
            }
        return OperatorLogEntry(
            at: now,
            operatorName: self.operatorName ?? Self.namelessOperator,
            action: self.verb.rawValue,
            detail: detail
        )
    }

    // MARK: - As JSON

    private struct Fields: Codable {
        var rate: Int?
        var windowMilliseconds: Int?
        var count: Int?
        var targets: [String]?
        var operatorName: String?
        var isTrial: Bool?
        var allowsGap: Bool?

        enum CodingKeys: String, CodingKey {
            case rate, count, targets
            case isTrial = "dry_run"
            case allowsGap = "allow_gap"
            case windowMilliseconds = "window_ms"
            case operatorName = "operator"
        }
    }

    /// The body of the request.
    package var json: String {
        let fields = Fields(
            rate: Int(self.rate),
            windowMilliseconds: Int(self.windowMilliseconds),
            count: self.verb == .shed ? Int(self.count) : nil,
            targets: self.targets.isEmpty ? nil : self.targets,
            operatorName: self.operatorName,
            isTrial: self.isTrial ? true : nil,
            allowsGap: self.allowsGap ? true : nil
        )
        return (try? JSONEncoder().encode(fields)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// - Parameter json: may be empty.
    /// - Throws: what is wrong, and what would be right.
    package init(_ verb: Verb, json: [UInt8]) throws(OperationsError) {
        let fields: Fields
        if json.isEmpty {
            fields = Fields()
        } else {
            guard let read = try? JSONDecoder().decode(Fields.self, from: Data(json)) else {
                throw OperationsError(
                    "the body is not what is understood here",
                    remedy:
                        """
                        send an object with the whole numbers rate, window_ms and count, the texts targets and operator, and the \
                        truth values dry_run and allow_gap, or nothing
                        """,
                    kind: .invalid
                )
            }
            fields = read
        }
        self.init(
            verb,
            rate: try Self.number(fields.rate, "rate", 1...OperateNode.rateMax, otherwise: Self.standardRate),
            windowMilliseconds: try Self.number(
                fields.windowMilliseconds,
                "window_ms",
                0...OperateNode.windowMillisecondsMax,
                otherwise: 1000
            ),
            count: try Self.number(fields.count, "count", 0...UInt32.max, otherwise: 0),
            targets: fields.targets ?? [],
            operatorName: fields.operatorName,
            isTrial: fields.isTrial ?? false,
            allowsGap: fields.allowsGap ?? false
        )
        guard fields.operatorName.map(Self.isOperatorName) ?? true else { throw Self.wrongOperatorName }
        guard self.targets.count <= OperateNode.targetsMax,
            self.targets.allSatisfy({ NetworkAddress($0) != nil })
        else {
            throw OperationsError(
                "targets is wrong",
                remedy: "list at most \(OperateNode.targetsMax) HOST:PORT",
                kind: .invalid
            )
        }
        guard verb != .shed || fields.count != nil else {
            throw OperationsError(
                "count is missing",
                remedy: "say how many sessions are to go; 0 ends it",
                kind: .invalid
            )
        }
    }

    static let wrongOperatorName = OperationsError(
        "operator is wrong",
        remedy: "name who gives the order in 1 to \(NodeOrder.operatorNameMax) bytes without control characters",
        kind: .invalid
    )

    static func isOperatorName(_ text: String) -> Bool {
        (1...Self.operatorNameMax).contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }

    private static func number(
        _ value: Int?,
        _ name: String,
        _ bounds: ClosedRange<UInt32>,
        otherwise standard: UInt32
    ) throws(OperationsError) -> UInt32 {
        guard let value else { return standard }
        guard let number = UInt32(exactly: value), bounds.contains(number) else {
            throw OperationsError(
                "\(name) is \(value)",
                remedy: "it is \(bounds.lowerBound) to \(bounds.upperBound)",
                kind: .invalid
            )
        }
        return number
    }
}
