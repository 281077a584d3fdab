// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

/// A conversation of three devices in which one defect is planted.
@Suite("The audit of a load run")
struct AuditTests {
    private func entries(_ messages: some Sequence<Int>) -> [AuditedConversation.Message] {
        AuditedConversation.entries(messages)
    }

    @Test("a conversation in order holds, on one event loop and on several", arguments: [1, 2, 3])
    func holds(loops: Int) {
        var conversation = AuditedConversation()
        conversation.loops = loops
        let result = conversation.run()
        #expect(result.held && result.violations.isEmpty)
        #expect(result.conversations == 1)
        #expect(result.acknowledged == 12)
        #expect(result.historyMessages == 12)
        #expect(result.expectedDeliveries == 24)
        #expect(result.storedWithoutAcknowledgement == 0)
        #expect(result.notCompared == 0)
    }

    @Test("what a device has not got that is not connected at the end is no violation, and is counted")
    func absent() {
        var conversation = AuditedConversation()
        conversation.deliveries[1] = self.entries(0..<6)
        #expect(conversation.run().countByKind == ["undelivered": 4])
        conversation.absent = [1]
        let result = conversation.run()
        #expect(result.held)
        #expect(result.deliveriesToAbsent == 4)
        #expect(result.expectedDeliveries == 24)
        conversation.absent = [2]
        #expect(!conversation.run().held)
    }

    @Test("messages are put in any order by the answers, and answers may come twice")
    func acknowledgementsInAnyOrder() {
        var conversation = AuditedConversation()
        conversation.acknowledgements = conversation.acknowledgements.reversed() + conversation.acknowledgements
        let result = conversation.run()
        #expect(result.held)
        #expect(result.acknowledged == 12)
    }

    @Test("a stored message without acknowledgement is counted, not objected to; it need not have arrived at the end")
    func unacknowledged() {
        var conversation = AuditedConversation()
        conversation.acknowledgements.removeAll { $0.message == 4 || $0.message == 11 }
        conversation.deliveries[1] = self.entries(0..<11)
        let result = conversation.run()
        #expect(result.held)
        #expect(result.storedWithoutAcknowledgement == 2)
    }

    @Test("a message that is acknowledged and not stored is lost")
    func lost() {
        var conversation = AuditedConversation()
        conversation.acknowledgements.append((13, 12))
        // Its sender is device 0.
        #expect(conversation.run().countByKind == ["lost": 1, "undelivered": 2])
    }

    @Test("a message that is stored under another number than acknowledged is lost")
    func movedAfterAcknowledgement() {
        var conversation = AuditedConversation()
        conversation.history?[3].message = 4
        conversation.history?[4].message = 3
        #expect(conversation.run().countByKind["lost"] == 2)
    }

    @Test("a message that never reached one receiver", arguments: [1, 2])
    func undelivered(loops: Int) {
        var conversation = AuditedConversation()
        conversation.loops = loops
        conversation.deliveries[2] = self.entries(0..<10)
        let result = conversation.run()
        // Message 11 is its own.
        #expect(result.violations.map(\.kind) == [.undelivered])
        #expect(result.violations.first?.user == 2)
        #expect(result.violations.first?.seq == 11)
        #expect(result.violations.first?.conversation == 1)
        conversation.deliveries[2] = nil
        #expect(conversation.run().countByKind == ["undelivered": 8], "nothing at all")
    }

    @Test("a message that is left out while later ones arrive, or arrives behind a later one, is told at once")
    func gap() {
        var conversation = AuditedConversation()
        conversation.deliveries[1] = self.entries([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11])
        #expect(conversation.audits()[0].seen.countByKind == ["gap": 1])
        #expect(conversation.run().countByKind == ["gap": 1, "undelivered": 1])
        conversation.deliveries[1] = self.entries([0, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10, 11])
        #expect(conversation.run().countByKind == ["gap": 1])
    }

    @Test("a message that arrives twice is told at once")
    func repeated() {
        var conversation = AuditedConversation()
        conversation.deliveries[0] = self.entries([0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11])
        let seen = conversation.audits()[0].seen
        #expect(seen.countByKind == ["repeated": 1])
        #expect(seen.violations.first?.seq == 4)
    }

    @Test("one client message id under two numbers in the history")
    func twoNumbersStored() {
        var conversation = AuditedConversation()
        conversation.history?.append(.init(seq: 13, message: 2))
        #expect(conversation.run().countByKind == ["two_numbers": 1])
    }

    @Test("two messages acknowledged with one number, or one with two, are told at once")
    func sharedNumber() {
        var conversation = AuditedConversation()
        conversation.acknowledgements.append((4, 21))
        #expect(conversation.audits()[0].seen.countByKind == ["shared_number": 1])
        conversation = AuditedConversation()
        conversation.acknowledgements.append((4, 2))
        #expect(conversation.audits()[0].seen.countByKind == ["shared_number": 1])
        conversation = AuditedConversation()
        conversation.acknowledgements.append((13, 2))
        #expect(conversation.run().countByKind["lost"] == 1)
    }

    @Test("a device that saw another message under a number: told at once on one loop, at the end on several")
    func different() {
        var conversation = AuditedConversation()
        var entries = self.entries(0..<12)
        (entries[5].message, entries[6].message) = (6, 5)
        conversation.deliveries[0] = entries
        #expect(conversation.audits()[0].seen.countByKind == ["different": 2])
        conversation.loops = 3
        conversation.acknowledgements.removeAll { $0.message == 5 || $0.message == 6 }
        #expect(conversation.audits().allSatisfy { $0.seen.held })
        #expect(conversation.run().countByKind == ["different": 2])
    }

    @Test("a history that leaves out a number, or is out of order")
    func sparseHistory() {
        var conversation = AuditedConversation()
        conversation.history?.remove(at: 3)
        let result = conversation.run()
        #expect(result.countByKind["sparse_history"] == 1)
        #expect(result.countByKind["lost"] == 1)
        conversation = AuditedConversation()
        conversation.history?.swapAt(3, 4)
        #expect(conversation.run().countByKind["sparse_history"] == 3)
    }

    @Test("a message that nobody sent, in the history and on a device")
    func foreign() {
        var conversation = AuditedConversation()
        conversation.history?.append(.init(seq: 13, message: ConversationLedger.foreign))
        conversation.history?.append(.init(seq: 14, message: 2_000_000))
        #expect(conversation.run().countByKind == ["foreign": 2])
        conversation.deliveries[1]?.append((13, ConversationLedger.foreign))
        #expect(conversation.audits()[0].seen.countByKind == ["foreign": 1])
    }

    @Test("a body that is not what was sent, in the history and on a device")
    func altered() {
        var conversation = AuditedConversation()
        conversation.history?[2].hasOwnBody = false
        conversation.altered[1] = [9]
        #expect(conversation.audits()[0].seen.countByKind == ["altered": 1])
        #expect(conversation.run().countByKind == ["altered": 2])
    }

    @Test("a history that could not be read is no proof")
    func unreadable() {
        var conversation = AuditedConversation()
        conversation.history = nil
        #expect(conversation.run().countByKind == ["unreadable": 1])
    }

    @Test("an absurd number costs no memory and is objected to")
    func absurd() {
        var conversation = AuditedConversation()
        conversation.deliveries[1]? += [(.max, 3), (0, 3)]
        conversation.history?.append(.init(seq: .max, message: 40))
        let result = conversation.run()
        #expect(result.countByKind["gap"] == 2)
        #expect(result.countByKind["sparse_history"] == 1)
    }

    @Test("of many violations the first are kept, and all are counted")
    func bounds() {
        var conversation = AuditedConversation()
        for _ in 0..<500 { conversation.deliveries[1]?.append((3, 2)) }
        let result = conversation.run()
        #expect(result.violationCount == 500)
        #expect(result.violations.count == AuditResult.violationsMax)
    }
}
