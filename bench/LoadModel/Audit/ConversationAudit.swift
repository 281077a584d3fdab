// SPDX-License-Identifier: Apache-2.0

/// Compares, for one conversation, what was acknowledged, what each device was handed over, and the history that the
/// cluster shows afterwards. Messages are named by their numbers in the plan. Pure.
package struct ConversationAudit: Sendable {
    package struct Acknowledgement: Sendable, Equatable {
        package var message: UInt32
        package var seq: UInt64

        package init(message: UInt32, seq: UInt64) {
            self.message = message
            self.seq = seq
        }
    }

    package struct StoredMessage: Sendable, Equatable {
        package var seq: UInt64
        /// ``DeviceLog/foreign`` for a client message id of no message of the run.
        package var message: UInt32
        package var hasOwnBody: Bool

        package init(seq: UInt64, message: UInt32, hasOwnBody: Bool = true) {
            self.seq = seq
            self.message = message
            self.hasOwnBody = hasOwnBody
        }
    }

    package var conversation: Int
    package var acknowledgements: [Acknowledgement]
    /// As read page by page; nil when that failed.
    package var history: [StoredMessage]?
    /// By device.
    package var logs: [Int: DeviceLog]
    /// Devices that are to have everything.
    package var members: [Int]
    /// Those of them that are not connected at the end, and so cannot have everything.
    package var absent: Set<Int>
    /// Violations name users.
    package var devicesPerUser: Int

    package init(
        conversation: Int,
        members: [Int],
        devicesPerUser: Int = 1,
        absent: Set<Int> = [],
        acknowledgements: [Acknowledgement],
        history: [StoredMessage]?,
        logs: [Int: DeviceLog]
    ) {
        self.conversation = conversation
        self.members = members
        self.devicesPerUser = devicesPerUser
        self.absent = absent
        self.acknowledgements = acknowledgements
        self.history = history
        self.logs = logs
    }

    /// - Parameters:
    ///   - belongs: Whether the plan has the message in this conversation.
    ///   - sender: The device that sends a message of the plan.
    package func run(
        belongs: (UInt32) -> Bool,
        sender: (UInt32) -> Int,
        into result: inout AuditResult
    ) {
        result.conversations += 1
        guard let history = self.history else {
            result.note(self.violation(.unreadable, nil, "its history could not be read"))
            return
        }
        self.checkHistory(history, belongs, &result)
        let stored = HistoryIndex(history)
        let acknowledged = self.checkAcknowledgements(stored, &result)
        for user in self.members.sorted() {
            self.checkDevice(user, stored, acknowledged, sender, &result)
        }
        let known = Set(acknowledged.map(\.message))
        result.storedWithoutAcknowledgement += Set(history.map(\.message)).subtracting(known)
            .count { $0 != DeviceLog.foreign }
        result.acknowledged += known.count
        result.historyMessages += history.count
    }

    private func violation(_ kind: Violation.Kind, _ seq: UInt64?, user: Int? = nil, _ detail: String) -> Violation {
        Violation(kind, conversation: self.conversation, seq: seq, user: user, detail)
    }

    private func user(of device: Int) -> Int { device / self.devicesPerUser }

    private func checkHistory(
        _ history: [StoredMessage],
        _ belongs: (UInt32) -> Bool,
        _ result: inout AuditResult
    ) {
        var expected: UInt64 = 1
        var numbers: [UInt32: UInt64] = [:]
        for entry in history {
            if entry.seq != expected {
                result.note(
                    self.violation(.sparseHistory, entry.seq, "the history has \(entry.seq) where \(expected) belongs")
                )
            }
            expected = entry.seq + 1
            guard entry.message != DeviceLog.foreign, belongs(entry.message) else {
                result.note(self.violation(.foreign, entry.seq, "a message that was not sent here"))
                continue
            }
            if !entry.hasOwnBody {
                result.note(self.violation(.altered, entry.seq, "the history has another body than was sent"))
            }
            if let other = numbers.updateValue(entry.seq, forKey: entry.message) {
                result.note(
                    self.violation(.twoNumbers, entry.seq, "message \(entry.message) is stored as \(other) too")
                )
            }
        }
    }

    /// Returns the acknowledged messages, each number once, in order.
    private func checkAcknowledgements(
        _ stored: HistoryIndex,
        _ result: inout AuditResult
    ) -> [Acknowledgement] {
        var bySeq: [UInt64: UInt32] = [:]
        var byMessage: [UInt32: UInt64] = [:]
        for entry in self.acknowledgements {
            let (message, seq) = (entry.message, entry.seq)
            if let other = byMessage.updateValue(seq, forKey: message), other != seq {
                result.note(
                    self.violation(.twoNumbers, seq, "message \(message) was acknowledged as \(other) too")
                )
            }
            if let other = bySeq.updateValue(message, forKey: seq), other != message {
                result.note(
                    self.violation(.sharedNumber, seq, "acknowledged for the messages \(other) and \(message)")
                )
            }
            if stored[seq] != message {
                let found = stored[seq].map { "message \($0)" } ?? "nothing"
                result.note(
                    self.violation(.lost, seq, "message \(message) was acknowledged, the history has \(found)")
                )
            }
        }
        return bySeq.map { Acknowledgement(message: $0.value, seq: $0.key) }.sorted { $0.seq < $1.seq }
    }

    private func checkDevice(
        _ user: Int,
        _ stored: HistoryIndex,
        _ acknowledged: [Acknowledgement],
        _ sender: (UInt32) -> Int,
        _ result: inout AuditResult
    ) {
        let log = self.logs[user] ?? DeviceLog()
        for irregularity in log.irregularities {
            result.note(Violation(irregularity, conversation: self.conversation, user: self.user(of: user)))
        }
        result.uncounted(log.irregularityCount - log.irregularities.count)
        for (place, message) in log.messages.enumerated() where message != DeviceLog.missing {
            let seq = UInt64(place) + 1
            if stored[seq] != message || message == DeviceLog.foreign {
                let found = stored[seq].map { "message \($0)" } ?? "nothing"
                result.note(
                    self.violation(
                        .different,
                        seq,
                        user: self.user(of: user),
                        "saw message \(message), the history has \(found)"
                    )
                )
            }
        }
        for entry in acknowledged where sender(entry.message) != user {
            let (message, seq) = (entry.message, entry.seq)
            result.expectedDeliveries += 1
            let wasSeen = seq >= 1 && seq <= UInt64(log.messages.count) && log.messages[Int(seq) - 1] == message
            guard !wasSeen else { continue }
            guard !self.absent.contains(user) else {
                result.deliveriesToAbsent += 1
                continue
            }
            result.note(
                self.violation(
                    .undelivered,
                    seq,
                    user: self.user(of: user),
                    "message \(message) was acknowledged and never arrived"
                )
            )
        }
    }
}

/// The message of each number, so that the checks do not depend on the order of the history.
private struct HistoryIndex {
    private var messages: [UInt32] = []

    /// Numbers that are absurdly large are left out; ``ConversationAudit`` objects to the hole before them.
    init(_ history: [ConversationAudit.StoredMessage]) {
        self.messages.reserveCapacity(history.count + 1)
        for entry in history where entry.seq <= UInt64(history.count) + DeviceLog.jumpMax {
            let place = Int(entry.seq)
            if place >= self.messages.count {
                let added = place + 1 - self.messages.count
                self.messages.append(contentsOf: repeatElement(DeviceLog.missing, count: added))
            }
            self.messages[place] = entry.message
        }
    }

    subscript(seq: UInt64) -> UInt32? {
        guard seq < UInt64(self.messages.count), self.messages[Int(seq)] != DeviceLog.missing else { return nil }
        return self.messages[Int(seq)]
    }
}
