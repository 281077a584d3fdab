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

    /// Violations of which nothing but their number is known.
    mutating func uncounted(_ count: Int) {
        guard count > 0 else { return }
        self.violationCount += count
        self.countByKind["not_listed", default: 0] += count
    }

    /// What was seen while it ran, of which only the first is known one by one.
    package mutating func noteSeen(_ violations: [Violation], count: Int) {
        for violation in violations { self.note(violation) }
        self.uncounted(count - violations.count)
    }

    /// Adds what another process found in its own conversations.
    package mutating func merge(_ other: AuditResult) {
        self.conversations += other.conversations
        self.acknowledged += other.acknowledged
        self.expectedDeliveries += other.expectedDeliveries
        self.deliveriesToAbsent += other.deliveriesToAbsent
        self.historyMessages += other.historyMessages
        self.storedWithoutAcknowledgement += other.storedWithoutAcknowledgement
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
        case violations
        case violationCount = "violation_count"
        case countByKind = "violations_by_kind"
    }
}
