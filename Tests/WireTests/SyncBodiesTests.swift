// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement
import Testing
import Wire

@Suite("Bodies of syncs")
struct SyncBodiesTests {
    private static let change = ConversationChanged(
        conversation: ConversationID(value: 0xC0),
        headSeq: 300,
        joinedSeq: 7,
        membersVersion: 2,
        isRemoved: true,
        isUpdated: true
    )

    private static let answer: ChangesSince = {
        var slots = SlotSet()
        for number in [0, 1, 63, 64, 4095] { if let slot = Slot(number) { slots.insert(slot) } }
        return ChangesSince(
            life: Incarnation(value: 9),
            position: 5,
            routing: .max,
            complete: slots,
            hasForgotten: true,
            changed: [Self.change]
        )
    }()

    @Test("Every body is read back as it was written, and fields of a later version are passed over")
    func roundTrip() throws {
        func check<Body: WireMessage & Equatable>(_ body: Body) throws {
            var buffer = body.encoded()
            #expect(try Body(decoding: buffer) == body)
            var later = FieldWriter()
            later.text(900, "later")
            buffer.writeImmutableBuffer(later.buffer)
            #expect(try Body(decoding: buffer) == body)
            for count in 0..<body.encoded().readableBytes {
                // Cut off anywhere it is refused, or means something else; it is never a crash.
                _ = try? Body(decoding: body.encoded().getSlice(at: 0, length: count) ?? ByteBuffer())
            }
        }
        try check(SyncChanges(user: UserID(value: 1), life: Incarnation(value: 2), since: 3))
        try check(SyncChanges(user: UserID(value: 1), life: nil, since: 0))
        try check(Self.answer)
        try check(
            CompareHeads(
                user: UserID(value: 1),
                conversations: [.init(value: 2), .init(value: 3)],
                cursors: [0, .max]
            )
        )
        try check(
            CompareHeads(
                user: UserID(value: 1),
                conversations: [.init(value: 2), .init(value: 3)],
                cursors: [0, .max],
                states: [.max, 0]
            )
        )
        try check(ReadReceipts(user: UserID(value: 1), conversations: [.init(value: 2), .init(value: 3)]))
        let entry = MemberWatermarks(user: UserID(value: 4), watermarks: Watermarks(delivered: 9, read: 8))
        try check(
            ReceiptsOfConversations(receipts: [
                ConversationReceipts(conversation: .init(value: 2), stateVersion: 5, entries: [entry, entry]),
                ConversationReceipts(conversation: .init(value: 3), stateVersion: 0, entries: []),
            ])
        )
        try check(ChangedHeads(changed: [Self.change]))
        try check(DeliveryProgress(kind: .begins, position: 4, lastChange: 3))
        let after = (1...3).map { RelayedThrough(life: Incarnation(value: UInt128($0)), position: UInt64($0) * 1000) }
        try check(DeliveryProgress(kind: .reached, position: 4, after: after))
    }

    @Test("Bounds: more than may be is refused, and so are cursors that do not fit their conversations")
    func bounds() {
        let many = (0...CompareHeads.conversationsMax).map { ConversationID(value: UInt128($0)) }
        let tooMany = CompareHeads(user: UserID(value: 1), conversations: many, cursors: many.map { _ in 0 })
        #expect(throws: FieldError.self) { try CompareHeads(decoding: tooMany.encoded()) }
        let uneven = CompareHeads(user: UserID(value: 1), conversations: Array(many.prefix(2)), cursors: [1])
        #expect(throws: FieldError.self) { try CompareHeads(decoding: uneven.encoded()) }
        let two = Array(many.prefix(2))
        let unevenStates = CompareHeads(user: UserID(value: 1), conversations: two, cursors: [1, 2], states: [1])
        #expect(throws: FieldError.self) { try CompareHeads(decoding: unevenStates.encoded()) }
        let wide = ReadReceipts(user: UserID(value: 1), conversations: Array(many.prefix(101)))
        #expect(throws: FieldError.self) { try ReadReceipts(decoding: wide.encoded()) }
        var flood = Self.answer
        flood.changed = Array(repeating: Self.change, count: ChangesSince.conversationsMax + 1)
        #expect(throws: FieldError.self) { try ChangesSince(decoding: flood.encoded()) }
        var short = FieldWriter()
        short.identifier(1, Incarnation(value: 1))
        short.bytes(4, [1, 2, 3])
        #expect(throws: FieldError.self) { try ChangesSince(decoding: short.buffer) }
    }
}
