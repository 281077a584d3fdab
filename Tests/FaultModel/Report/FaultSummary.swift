// SPDX-License-Identifier: Apache-2.0

/// The figures of one kind of fault, over all times that it was injected alone, or, where it never was, in combination.
package struct FaultSummary: Sendable, Equatable {
    package struct Spread: Sendable, Equatable {
        package var median: Microseconds
        package var percentile99: Microseconds
        package var longest: Microseconds

        /// By nearest rank. Nil for no values.
        package init?(_ values: [Microseconds]) {
            let sorted = values.sorted()
            guard let last = sorted.last else { return nil }
            func rank(_ percent: Int) -> Microseconds { sorted[(sorted.count * percent + 99) / 100 - 1] }
            self.median = rank(50)
            self.percentile99 = rank(99)
            self.longest = last
        }
    }

    /// From the begin of an injection to so long after it was undone, and at least until it has healed, a wait counts as
    /// caused by it; but no longer than to the begin of the next step.
    package static let afterwards: Microseconds = 5_000_000

    package var kind: FaultKind
    package var alone: Int
    package var combined: Int
    package var acknowledgement: Spread
    package var anyAcknowledgement: Microseconds
    /// From a fault being undone to the last acknowledgement that was waited for since before that, the longest.
    package var acknowledgementAfter: Microseconds
    package var delivery: Spread
    package var anyDelivery: Microseconds
    /// The longest time in which a device showed somebody wrongly.
    package var presence: Microseconds
    /// From being undone to everything going on, the longest.
    package var healing: Microseconds
    package var unhealed: Int
    /// Violations that happened while one was at work.
    package var violations: Int

    package static func summaries(_ record: RunRecord, _ result: AuditResult) -> [FaultSummary] {
        let waits = Waits(record)
        let windows = Self.windows(record)
        let acknowledgement = LongestWait.longest(waits.acknowledgement, in: windows)
        let anyAcknowledgement = LongestWait.longest(waits.anyAcknowledgement, in: windows)
        let acknowledgementAfter = zip(record.injections, windows).map { injection, window in
            let reaching = waits.acknowledgement.filter { wait in
                wait.from < injection.undoneAt && wait.until > injection.undoneAt
            }
            return reaching.map { min($0.until, window.until) - injection.undoneAt }.max() ?? 0
        }
        let delivery = LongestWait.longest(waits.delivery, in: windows)
        let anyDelivery = LongestWait.longest(waits.anyDelivery, in: windows)
        let presence = LongestWait.longest(waits.presence, in: windows)
        let steps = record.injections.reduce(into: [Int: Int]()) { $0[$1.step, default: 0] += 1 }
        return FaultKind.allCases.compactMap { kind in
            let own = record.injections.indices.filter { record.injections[$0].kind == kind }
            let alone = own.filter { steps[record.injections[$0].step] == 1 }
            let counted = alone.isEmpty ? own : alone
            guard let first = Spread(counted.map { acknowledgement[$0] }),
                let second = Spread(counted.map { delivery[$0] })
            else { return nil }
            let healing = counted.map { index in
                (record.injections[index].healedAt ?? record.endedAt) - record.injections[index].undoneAt
            }
            return FaultSummary(
                kind: kind,
                alone: alone.count,
                combined: own.count - alone.count,
                acknowledgement: first,
                anyAcknowledgement: counted.map { anyAcknowledgement[$0] }.max() ?? 0,
                acknowledgementAfter: counted.map { acknowledgementAfter[$0] }.max() ?? 0,
                delivery: second,
                anyDelivery: counted.map { anyDelivery[$0] }.max() ?? 0,
                presence: counted.map { presence[$0] }.max() ?? 0,
                healing: healing.max() ?? 0,
                unhealed: own.count { record.injections[$0].healedAt == nil },
                violations: result.violations.count { violation in
                    guard violation.kind != .notHealed, let at = violation.at else { return false }
                    return own.contains { windows[$0].from <= at && at <= windows[$0].until }
                }
            )
        }
    }

    private static func windows(_ record: RunRecord) -> [Wait] {
        let begins = record.injections.reduce(into: [Int: Microseconds]()) { begins, injection in
            begins[injection.step] = min(begins[injection.step] ?? injection.beganAt, injection.beganAt)
        }
        return record.injections.map { injection in
            let next = begins[injection.step + 1] ?? record.endedAt
            let healed = max(injection.undoneAt + Self.afterwards, injection.healedAt ?? record.endedAt)
            return Wait(from: injection.beganAt, until: max(injection.undoneAt, min(healed, next)))
        }
    }

    package var verdict: String {
        switch (self.unhealed, self.violations) {
        case (0, 0): "held"
        case (0, let violations): "\(violations) violations"
        case (let unhealed, 0): "\(unhealed) not healed"
        case (let unhealed, let violations): "\(unhealed) not healed, \(violations) violations"
        }
    }
}
