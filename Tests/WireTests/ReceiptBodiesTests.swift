// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Testing
import Wire

private let conversation = ConversationID(value: 0xC0)
private let ada = UserID(value: 1)
private let bob = UserID(value: 2)
private let progress = MemberWatermarks(user: ada, watermarks: Watermarks(delivered: 300, read: 9))
private let arrival = MemberWatermarks(user: bob, watermarks: Watermarks(delivered: 7, read: 0))

/// One of each body about receipts with its bytes, which come from another encoder.
let receiptSamples: [(body: any WireMessage & Equatable, hexadecimal: String)] = [
    (
        MemberWatermarksBody(progress),
        """
        0a100000000000000000000000000000000110ac021809
        """
    ),
    (
        StoreReceipts(conversation: conversation, entries: [progress, arrival]),
        """
        0a10000000000000000000000000000000c012170a100000000000000000000000000000000110ac02180912140a1000\
        0000000000000000000000000000021007
        """
    ),
    (
        ReceiptsStored(entries: [progress]),
        """
        0a170a100000000000000000000000000000000110ac021809
        """
    ),
    (
        ReceiptsEvent(conversation: conversation, entries: [arrival], recipients: [ada, bob], isPrivate: true),
        """
        0a10000000000000000000000000000000c012140a100000000000000000000000000000000210071a20000000000000\
        00000000000000000001000000000000000000000000000000022001
        """
    ),
    (
        GetMessageStatus(conversation: conversation, seq: 300, reader: ada),
        """
        0a10000000000000000000000000000000c010ac021a1000000000000000000000000000000001
        """
    ),
    (
        MessageStatusBody(
            MessageStatusReport(recipientCount: 3, deliveredCount: 2, readCount: 1, recipients: [progress])
        ),
        """
        08031002180120012a170a100000000000000000000000000000000110ac021809
        """
    ),
    (
        GetReceipts(conversation: conversation, reader: ada),
        """
        0a10000000000000000000000000000000c0121000000000000000000000000000000001
        """
    ),
    (
        ReceiptList(entries: [progress, arrival]),
        """
        0a170a100000000000000000000000000000000110ac0218090a140a10000000000000000000000000000000021007
        """
    ),
]

@Suite("Bodies about receipts")
struct ReceiptBodiesTests {
    private static let member = Member(user: ada, role: .owner, joinedSeq: 7, readSeq: 9)

    @Test("What a node of the version before says of a member's receipts is understood: read implies delivered")
    func memberWithoutDelivered() throws {
        var bytes = MemberBody(Self.member).encoded()
        #expect(try MemberBody(decoding: bytes).value.watermarks == Watermarks(delivered: 9, read: 9))
        bytes.writeBytes([0x28, 0xAC, 0x02])  // field 5, 300
        #expect(try MemberBody(decoding: bytes).value.watermarks == Watermarks(delivered: 300, read: 9))
        var ahead = Self.member
        ahead.watermarks = Watermarks(delivered: 300, read: 9)
        #expect(MemberBody(ahead).encoded() == bytes)
    }

    @Test("More receipts than one request may hold are refused before they are taken")
    func receiptBound() {
        let many = [MemberWatermarks](repeating: progress, count: Limits.receiptsPerRequestMax + 1)
        #expect(throws: FieldError.tooMany(field: 2)) {
            try StoreReceipts(decoding: StoreReceipts(conversation: conversation, entries: many).encoded())
        }
    }
}
