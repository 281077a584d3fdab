// SPDX-License-Identifier: Apache-2.0

import LoadModel
import TestSupport
import Testing

/// What all devices have is forgotten, and is compared with the history all the same.
@Suite("The memory of the audit")
struct LedgerTests {
    private static let chunk = ConversationLedger.chunk
    private static let messages = 10 * Self.chunk + 100

    @Test("a long conversation: digests are left of it, and it holds", arguments: [1, 2, 3])
    func forgets(loops: Int) {
        var conversation = AuditedConversation(messages: Self.messages)
        conversation.loops = loops
        let audits = conversation.audits()
        for audit in audits {
            let ledger = audit.ledgers[AuditedConversation.number]
            #expect(ledger.chunks == 10 && ledger.last - ledger.base == 100)
        }
        let result = conversation.judge(audits)
        #expect(result.held, "\(result.violations.prefix(3))")
        #expect(result.acknowledged == Self.messages)
        #expect(result.storedWithoutAcknowledgement == 0)
        #expect(result.notCompared == 0)
    }

    @Test("one forgotten message that the history has differently, wherever it is, is found")
    func findsForgotten() {
        var generator = SeededRandom(seed: 5)
        let conversation = AuditedConversation(messages: Self.messages)
        let audits = conversation.audits()
        for _ in 0..<40 {
            let place = Int.random(in: 0..<(10 * Self.chunk - 1), using: &generator)
            var swapped = conversation
            swapped.history?.swapAt(place, place + 1)
            for seq in [place, place + 1] { swapped.history?[seq].seq = UInt64(seq) + 1 }
            let result = swapped.judge(audits)
            #expect(result.countByKind["different"] ?? 0 >= 1, "seed 5, place \(place)")
        }
        var short = conversation
        short.history?.removeLast(5 * Self.chunk)
        #expect(short.judge(audits).countByKind["lost"] ?? 0 >= 1)
    }

    @Test("a device that is behind keeps chunks open, up to the bound; then it is counted what was not compared")
    func bounded() {
        var conversation = AuditedConversation(messages: (ConversationLedger.openChunksMax + 5) * Self.chunk)
        let all = conversation.deliveries[2] ?? []
        conversation.deliveries[2] = nil
        var audits = conversation.audits()
        let ledger = audits[0].ledgers[AuditedConversation.number]
        #expect(ledger.last - ledger.base <= UInt64(ConversationLedger.openChunksMax * Self.chunk))
        #expect(ledger.chunks == 5)
        let others = conversation.judge(audits)
        #expect(others.countByKind == ["undelivered": all.count - all.count / 3], "all but its own")
        // It comes back and has it all.
        guard let index = audits[0].index(of: .init(device: 2, conversation: AuditedConversation.number)) else {
            Issue.record("it is not in it")
            return
        }
        for entry in all { audits[0].saw(index, seq: entry.seq, message: entry.message) }
        let result = conversation.judge(audits)
        #expect(result.held, "\(result.violations.prefix(3))")
        // All acknowledgements came first here, so that no device was compared in the five that were forgotten then.
        #expect(result.notCompared == 15 * Self.chunk)
        let after = audits[0].ledgers[AuditedConversation.number]
        #expect(after.last - after.base < UInt64(Self.chunk), "all have it now")
    }

    @Test("an acknowledgement that comes when its message is forgotten is compared with the history, and counted once")
    func late() {
        var conversation = AuditedConversation(messages: 3 * Self.chunk)
        let late = conversation.acknowledgements.remove(at: 5)
        var audits = conversation.audits()
        #expect(conversation.judge(audits).storedWithoutAcknowledgement == 1)
        for _ in 0..<2 { audits[0].acknowledged(AuditedConversation.number, seq: late.seq, message: late.message) }
        let result = conversation.judge(audits)
        #expect(result.held && result.acknowledged == 3 * Self.chunk && result.storedWithoutAcknowledgement == 0)
        var wrong = conversation.audits()
        wrong[0].acknowledged(AuditedConversation.number, seq: late.seq, message: 8)
        #expect(conversation.judge(wrong).countByKind == ["lost": 1])
    }

    @Test("what a loop forgot is still expected at a device of another loop, but for what was never acknowledged")
    func otherLoop() {
        var conversation = AuditedConversation(messages: 3 * Self.chunk)
        conversation.loops = 3
        conversation.acknowledgements.removeAll { $0.message == 3 }
        conversation.deliveries[2] = AuditedConversation.entries(0..<3)
        let result = conversation.run()
        // Of all that follow, the messages of devices 0 and 1 but for one.
        #expect(result.countByKind == ["undelivered": 2 * Self.chunk - 3])
        #expect(result.violations.first?.seq == 5)
    }

    @Test("a device remembers a bounded number of what it was not given")
    func missing() {
        var progress = DeviceProgress()
        let gap = progress.take(500_000)
        #expect(gap == .gap(first: 1, last: 499_999))
        #expect(progress.missing.count == DeviceProgress.missingMax)
        let (filled, again, absurd) = (progress.take(7), progress.take(7), progress.take(1_500_001))
        #expect(filled == nil && !progress.lacks(7) && progress.lacks(8))
        #expect(again == .repeated(seq: 7))
        #expect(absurd == .absurd(seq: 1_500_001))
        let next = progress.take(500_001)
        #expect(next == nil && progress.position == 500_001)
    }
}
