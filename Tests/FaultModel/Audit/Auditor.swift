// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// Judges a run by its record. Pure.
///
/// | contract | check |
/// |---|---|
/// | C1, C2 | what was acknowledged is stored, once, under the number that was said; see `Auditor+Messages.swift` |
/// | C3 | numbers without gaps, the same on every device; see `Auditor+Devices.swift` |
/// | C3 | one writer for each epoch and conversation, epochs that only grow; see `Auditor+Cluster.swift` |
/// | C4 | every device of who stayed ends with the stored list |
/// | receipts | what was told is stored, never goes back, and reaches everybody; see `Auditor+Receipts.swift` |
/// | presence | whoever may see a user ends with the truth, whoever may not sees nothing; see `Auditor+Presence.swift` |
/// | C8 | nothing arrives after a removal was acknowledged, nothing from before a join |
/// | C5, C10 | refusals say how long to wait; memory stays bounded; no process ends by itself |
package struct Auditor {
    package struct Limits: Sendable {
        /// What a refused sender of good messages may be told.
        package var refusalCodes: Set<String> = ["unavailable", "overloaded", "outcome_unknown", "rate_limited"]
        /// Resident memory of one node.
        package var residentBytesMax: UInt64 = 512 << 20
        /// How long an acknowledgement of what was replicated may be under way.
        package var acknowledgementTravelMax: Microseconds = 2_000_000

        package init() {}
    }

    let record: RunRecord
    let limits: Limits
    var result = AuditResult()

    private init(_ record: RunRecord, _ limits: Limits) {
        self.record = record
        self.limits = limits
    }

    package static func audit(_ record: RunRecord, limits: Limits = Limits()) -> AuditResult {
        var auditor = Auditor(record, limits)
        auditor.checkMessages()
        auditor.checkDevices()
        auditor.checkMemberships()
        auditor.checkPresence()
        auditor.checkReceipts()
        auditor.checkShards()
        auditor.checkNodes()
        auditor.checkHealing()
        return auditor.result
    }

    func name(_ conversation: Int) -> String {
        guard self.record.conversations.indices.contains(conversation) else { return "conversation \(conversation)" }
        return "conversation \(conversation) (\(self.record.conversations[conversation].id))"
    }
}

/// Who sent which id; no two messages of a run have the same.
struct MessageKey: Hashable {
    var user: Int
    var id: ClientMessageID
}
