// SPDX-License-Identifier: Apache-2.0

/// What the audit of all conversations found.
package struct AuditResult: Sendable, Codable, Equatable {
    /// Violations that are kept; all are counted.
    package static let violationsMax = 200

    package var conversations = 0
    package var acknowledged = 0
    package var expectedDeliveries = 0
    /// Of those, the ones to devices that were not connected at the end: nobody can say whether they would have come.
    package var deliveriesToAbsent = 0
    package var historyMessages = 0
    package var storedWithoutAcknowledgement = 0
    /// Deliveries whose order and body were looked at, but not what others know under the number: they came when that was
    /// forgotten. Nil in reports of earlier versions, which forgot nothing.
    package var notCompared: Int?
    package private(set) var violations: [Violation] = []
    package private(set) var violationCount = 0
    package private(set) var countByKind: [String: Int] = [:]

    package init() {}

    package var held: Bool { self.violationCount == 0 }

    package mutating func note(_ violation: Violation) {
        self.violationCount += 1
        self.countByKind[violation.kind.rawValue, default: 0] += 1
        if self.violations.count < Self.violationsMax { self.violations.append(violation) }
    }

    /// Adds what others found in their own conversations.
    package mutating func merge(_ other: AuditResult) {
        self.conversations += other.conversations
        self.acknowledged += other.acknowledged
        self.expectedDeliveries += other.expectedDeliveries
        self.deliveriesToAbsent += other.deliveriesToAbsent
        self.historyMessages += other.historyMessages
        self.storedWithoutAcknowledgement += other.storedWithoutAcknowledgement
        if let count = other.notCompared { self.notCompared = (self.notCompared ?? 0) + count }
        self.violationCount += other.violationCount
        self.countByKind.merge(other.countByKind, uniquingKeysWith: +)
        self.violations += other.violations.prefix(Self.violationsMax - self.violations.count)
    }

    /// Says of each violation which process found it.
    package func of(process: Int) -> AuditResult {
        var result = self
        for index in result.violations.indices { result.violations[index].process = process }
        return result
    }

    private enum CodingKeys: String, CodingKey {
        case conversations
        case acknowledged
        case expectedDeliveries = "expected_deliveries"
        case deliveriesToAbsent = "deliveries_to_absent"
        case historyMessages = "history_messages"
        case storedWithoutAcknowledgement = "stored_without_acknowledgement"
        case notCompared = "not_compared"
        case violations
        case violationCount = "violation_count"
        case countByKind = "violations_by_kind"
    }
}
