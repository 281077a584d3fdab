// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

/// A conversation of the users 0, 1 and 2 in which message k has the number k + 1 and was sent by user k mod 3; then
/// one defect is planted.
@Suite("The audit of a load run")
struct ConversationAuditTests {
    private static let members = [0, 1, 2]
    private static let messages = 12

    private func intact() -> ConversationAudit {
        var log = DeviceLog()
        for message in 0..<Self.messages { log.record(seq: UInt64(message) + 1, message: UInt32(message)) }
        return ConversationAudit(
            conversation: 7,
            members: Self.members,
            acknowledgements: (0..<Self.messages).map { .init(message: UInt32($0), seq: UInt64($0) + 1) },
            history: (0..<Self.messages).map { .init(seq: UInt64($0) + 1, message: UInt32($0)) },
            logs: Dictionary(uniqueKeysWithValues: Self.members.map { ($0, log) })
        )
    }

    private func run(_ audit: ConversationAudit) -> AuditResult {
        var result = AuditResult()
        audit.run(belongs: { $0 < 1000 }, sender: { Int($0 % 3) }, into: &result)
        return result
    }

    private func log(_ entries: [(seq: UInt64, message: UInt32)]) -> DeviceLog {
        var log = DeviceLog()
        for entry in entries { log.record(seq: entry.seq, message: entry.message) }
        return log
    }

    private func entries(_ messages: some Sequence<Int>) -> [(seq: UInt64, message: UInt32)] {
        messages.map { (UInt64($0) + 1, UInt32($0)) }
    }

    @Test("a conversation in order holds")
    func holds() {
        let result = self.run(self.intact())
        #expect(result.held)
        #expect(result.violations.isEmpty)
        #expect(result.acknowledged == 12)
        #expect(result.expectedDeliveries == 24)
        #expect(result.storedWithoutAcknowledgement == 0)
    }

    @Test("what a device has not got that is not connected at the end is no violation, and is counted")
    func absent() {
        var audit = self.intact()
        audit.logs[1] = self.log(self.entries(0..<6))
        #expect(self.run(audit).countByKind == ["undelivered": 4])
        audit.absent = [1]
        let result = self.run(audit)
        #expect(result.held)
        #expect(result.deliveriesToAbsent == 4)
        #expect(result.expectedDeliveries == 24)
        audit.absent = [2]
        #expect(!self.run(audit).held)
    }

    @Test("messages are put in any order by the answers, and answers may come twice")
    func acknowledgementsInAnyOrder() {
        var audit = self.intact()
        audit.acknowledgements = audit.acknowledgements.reversed() + audit.acknowledgements
        let result = self.run(audit)
        #expect(result.held)
        #expect(result.acknowledged == 12)
        #expect(result.expectedDeliveries == 24)
    }

    @Test("a stored message without acknowledgement is counted, not objected to; it need not have arrived at the end")
    func unacknowledged() {
        var audit = self.intact()
        audit.acknowledgements.removeAll { $0.message == 4 || $0.message == 11 }
        audit.logs[1] = self.log(self.entries(0..<11))
        let result = self.run(audit)
        #expect(result.held)
        #expect(result.storedWithoutAcknowledgement == 2)
    }

    @Test("a message that is acknowledged and not stored is lost")
    func lost() {
        var audit = self.intact()
        audit.acknowledgements.append(.init(message: 12, seq: 13))
        let result = self.run(audit)
        #expect(result.countByKind["lost"] == 1)
        // Its sender is user 0.
        #expect(result.countByKind["undelivered"] == 2)
        #expect(!result.held)
    }

    @Test("a message that is stored under another number than acknowledged is lost")
    func movedAfterAcknowledgement() {
        var audit = self.intact()
        audit.acknowledgements[3].seq = 5
        audit.acknowledgements[4].seq = 4
        let result = self.run(audit)
        #expect(result.countByKind["lost"] == 2)
    }

    @Test("a message that never reached one receiver")
    func undelivered() {
        var audit = self.intact()
        audit.logs[2] = self.log(self.entries(0..<10))
        let result = self.run(audit)
        // Message 11 is user 2's own.
        #expect(result.violations.map(\.kind) == [.undelivered])
        #expect(result.violations[0].user == 2)
        #expect(result.violations[0].seq == 11)
        #expect(result.violations[0].conversation == 7)
    }

    @Test("a device that got nothing at all")
    func silentDevice() {
        var audit = self.intact()
        audit.logs[1] = nil
        let result = self.run(audit)
        #expect(result.countByKind == ["undelivered": 8])
    }

    @Test("a message that is left out while later ones arrive")
    func gap() {
        var audit = self.intact()
        audit.logs[1] = self.log(self.entries([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]))
        let result = self.run(audit)
        #expect(result.countByKind == ["gap": 1, "undelivered": 1])
    }

    @Test("a message that arrives behind a later one")
    func reordered() {
        var audit = self.intact()
        audit.logs[1] = self.log(self.entries([0, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10, 11]))
        let result = self.run(audit)
        #expect(result.countByKind == ["gap": 1])
    }

    @Test("a message that arrives twice")
    func repeated() {
        var audit = self.intact()
        audit.logs[0] = self.log(self.entries([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11]))
        let result = self.run(audit)
        #expect(result.countByKind == ["repeated": 1])
        #expect(result.violations.first?.seq == 4)
    }

    @Test("one client message id under two numbers in the history")
    func twoNumbersStored() {
        var audit = self.intact()
        audit.history?.append(.init(seq: 13, message: 2))
        let result = self.run(audit)
        #expect(result.countByKind == ["two_numbers": 1])
    }

    @Test("one message acknowledged with two numbers")
    func twoNumbersAcknowledged() {
        var audit = self.intact()
        audit.acknowledgements.append(.init(message: 2, seq: 4))
        let result = self.run(audit)
        #expect(result.countByKind["two_numbers"] == 1)
        #expect(result.countByKind["shared_number"] == 1)
    }

    @Test("two messages acknowledged with one number")
    func sharedNumber() {
        var audit = self.intact()
        audit.acknowledgements.append(.init(message: 20, seq: 4))
        let result = self.run(audit)
        #expect(result.countByKind["shared_number"] == 1)
        #expect(result.countByKind["lost"] == 1)
    }

    @Test("a device that saw another message under a number")
    func different() {
        var audit = self.intact()
        var entries = self.entries(0..<12)
        entries[5].message = 6
        entries[6].message = 5
        audit.logs[0] = self.log(entries)
        let result = self.run(audit)
        #expect(result.countByKind["different"] == 2)
    }

    @Test("a history that leaves out a number, or is out of order")
    func sparseHistory() {
        var audit = self.intact()
        audit.history?.remove(at: 3)
        let result = self.run(audit)
        #expect(result.countByKind["sparse_history"] == 1)
        #expect(result.countByKind["lost"] == 1)
        audit = self.intact()
        audit.history?.swapAt(3, 4)
        #expect(self.run(audit).countByKind["sparse_history"] == 3)
    }

    @Test("a message that nobody sent, in the history and on a device")
    func foreign() {
        var audit = self.intact()
        audit.history?.append(.init(seq: 13, message: DeviceLog.foreign))
        audit.history?.append(.init(seq: 14, message: 2000))
        var log = self.log(self.entries(0..<12))
        log.record(seq: 13, message: DeviceLog.foreign)
        audit.logs[1] = log
        let result = self.run(audit)
        #expect(result.countByKind == ["foreign": 2, "different": 1])
    }

    @Test("a body that is not what was sent, in the history and on a device")
    func altered() {
        var audit = self.intact()
        audit.history?[2].hasOwnBody = false
        audit.logs[1]?.recordAltered(seq: 9)
        #expect(self.run(audit).countByKind == ["altered": 2])
    }

    @Test("a history that could not be read is no proof")
    func unreadable() {
        var audit = self.intact()
        audit.history = nil
        let result = self.run(audit)
        #expect(result.countByKind == ["unreadable": 1])
        #expect(!result.held)
    }

    @Test("an absurd number costs no memory and is objected to")
    func absurd() {
        var audit = self.intact()
        audit.logs[1]?.record(seq: .max, message: 3)
        audit.logs[1]?.record(seq: 0, message: 3)
        audit.history?.append(.init(seq: 1 << 62, message: 40))
        let result = self.run(audit)
        #expect(result.countByKind["gap"] == 2)
        #expect(result.countByKind["sparse_history"] == 1)
    }

    @Test("what is beyond the bound of the list is counted")
    func bounds() {
        var audit = self.intact()
        for _ in 0..<500 { audit.logs[1]?.record(seq: 3, message: 2) }
        let result = self.run(audit)
        #expect(result.violationCount == 500)
        #expect(result.violations.count == DeviceLog.irregularitiesMax)
        audit = self.intact()
        audit.acknowledgements = []
        audit.history = (0..<600).map { .init(seq: UInt64($0) * 2 + 1, message: UInt32($0)) }
        let other = self.run(audit)
        #expect(other.violationCount >= 599)
        #expect(other.violations.count == AuditResult.violationsMax)
    }
}
