// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import Testing

@Suite("Auditor of receipts")
struct ReceiptAuditTests {
    private static let ofUser1 = ReceiptKey(conversation: 0, user: 1)

    private func kinds(_ record: RunRecord) -> Set<Violation.Kind> {
        Set(Auditor.audit(record).countByKind.keys)
    }

    @Test("Numbers that go back where they must not; an event may come late")
    func backwards() {
        var record = Fixture.record()
        var view = ReceiptView()
        view.told(Watermarks(delivered: 3, read: 2), at: 1)
        view.told(Watermarks(delivered: 2, read: 0), at: 2)
        record.devices[0].receipts[Self.ofUser1] = view
        #expect(Auditor.audit(record).holds)
        view.told(Watermarks(delivered: 3, read: 1), known: view.watermarks, at: 3)
        #expect(view.watermarks == Watermarks(delivered: 3, read: 2))
        record.devices[0].receipts[Self.ofUser1] = view
        #expect(self.kinds(record) == [.receiptBackwards])
        for time in 0..<10 as Range<Microseconds> { view.told(.zero, known: view.watermarks, at: time) }
        #expect(view.backsteps.count == ReceiptView.backstepsMax)
    }

    @Test("A receipt that was told and is not stored, except of somebody who was removed meanwhile")
    func lost() {
        var record = Fixture.record()
        record.devices[0].receipts[Self.ofUser1]?.told(Watermarks(delivered: 3, read: 3), at: 1)
        #expect(self.kinds(record) == [.receiptLost])
        record = Fixture.record()
        let ofUser2 = ReceiptKey(conversation: 0, user: 2)
        record.devices[0].receipts[ofUser2, default: ReceiptView()].told(Watermarks(delivered: 2, read: 2), at: 1)
        record.conversations[0].receipts[2] = .zero
        #expect(Auditor.audit(record).holds, "\(Auditor.audit(record).violations)")
    }

    @Test("A receipt beyond the last message")
    func beyond() {
        var record = Fixture.record()
        record.conversations[0].receipts[1] = Watermarks(delivered: 4, read: 2)
        record.devices[0].receipts[Self.ofUser1]?.told(Watermarks(delivered: 4, read: 2), at: 1)
        record.devices[2].receipts[Self.ofUser1]?.told(Watermarks(delivered: 4, read: 2), at: 1)
        #expect(self.kinds(record) == [.receiptBeyond])
    }

    @Test("A message that has arrived without a receipt; the own ones need none")
    func missing() {
        var record = Fixture.record()
        record.conversations[0].receipts[0] = .zero
        record.devices[1].receipts = [:]
        record.devices[2].receipts = [:]
        #expect(Auditor.audit(record).holds, "\(Auditor.audit(record).violations)")
        record.conversations[0].receipts[1] = Watermarks(delivered: 2, read: 2)
        record.devices[0].receipts = [:]
        record.devices[0].receipts[Self.ofUser1, default: ReceiptView()].told(Watermarks(delivered: 2, read: 2), at: 1)
        #expect(self.kinds(record) == [.receiptMissing])
    }

    @Test("A device that was not told how far another member has come")
    func differs() {
        var record = Fixture.record()
        record.devices[0].receipts = [:]
        #expect(self.kinds(record) == [.receiptDiffers])
        record.devices[0].isAway = true
        #expect(Auditor.audit(record).holds, "an absent one is told nothing")
    }
}
