// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement
import Testing
import Wire

@Suite("Presence bodies")
struct PresenceBodiesTests {
    private static let ada = UserID(value: 1)
    private static let bob = UserID(value: 2)
    private static let slot = Slot(of: UserID(value: 1).value)

    /// One of each with its bytes, which two versions have to agree on.
    @Test("What is written is read, and its bytes stay as they are")
    func bytes() throws {
        func check<Body: WireMessage & Equatable>(_ body: Body, _ hexadecimal: String) throws {
            let encoded = body.encoded()
            #expect(try Body(decoding: encoded) == body)
            #expect(encoded.readableBytesView.map { Self.hexadecimal($0) }.joined() == hexadecimal, "\(body)")
        }
        let one = String(repeating: "0", count: 31) + "1"
        let two = String(repeating: "0", count: 31) + "2"
        let slots = [Slot(0x102), Slot(3)].compactMap { $0 }
        try check(
            SlotPresence(slot: slots[0], base: 1, version: 300, attached: [Self.ada], unwatched: [Self.bob]),
            "088202" + "1001" + "18ac02" + "2210" + one + "3a10" + two
        )
        try check(
            PresenceDigest(entries: [.init(slot: slots[0], version: 5)]),
            "0a0a" + "0102" + "0000000000000005"
        )
        try check(PresenceWanted(slots: slots), "0a04" + "0102" + "0003")
        try check(
            PresenceStates(sequence: 2, states: [ShownPresence(user: Self.ada, status: .offline, lastSeenAt: 7)]),
            "0802" + "1216" + "0a10" + one + "1001" + "1807"
        )
        try check(SetPresence(user: Self.ada, status: .busy, visibility: nil), "0a10" + one + "1003")
        try check(
            PresenceProfileBody(PresenceProfile(settings: PresenceSettings(status: .away, visibility: .nobody))),
            "0802" + "1002"
        )
        try check(
            Typing(
                conversation: ConversationID(value: 1),
                user: Self.bob,
                device: DeviceID(value: 1),
                isTyping: true,
                recipients: [Self.ada]
            ),
            "0a10" + one + "1210" + two + "1a10" + one + "2001" + "2a10" + one
        )
    }

    @Test("What is over a bound, cut off or out of range is refused")
    func refused() {
        func bytes(_ field: Int, _ count: Int, of byte: UInt8 = 0) -> ByteBuffer {
            var writer = FieldWriter()
            writer.bytes(field, Array(repeating: byte, count: count))
            return writer.buffer
        }
        #expect(throws: FieldError.invalidValue(field: 1)) { try PresenceDigest(decoding: bytes(1, 11)) }
        #expect(throws: FieldError.tooMany(field: 1)) { try PresenceDigest(decoding: bytes(1, 10 * (Slot.count + 1))) }
        #expect(throws: FieldError.invalidValue(field: 1)) { try PresenceDigest(decoding: bytes(1, 10, of: 0xFF)) }
        #expect(throws: FieldError.invalidValue(field: 1)) { try PresenceWanted(decoding: bytes(1, 3)) }
        #expect(throws: FieldError.tooMany(field: 1)) { try PresenceWanted(decoding: bytes(1, 2 * (Slot.count + 1))) }
        #expect(throws: FieldError.tooMany(field: 4)) {
            try SlotPresence(decoding: bytes(4, 16 * (SlotPresence.usersMax + 1)))
        }
        let shown = ShownPresence(user: Self.ada, status: .online)
        let many = PresenceStates(sequence: 0, states: Array(repeating: shown, count: PresenceStates.statesMax + 1))
        #expect(throws: FieldError.tooMany(field: 2)) { try PresenceStates(decoding: many.encoded()) }
        #expect(throws: FieldError.missing(field: 1)) { try Typing(decoding: ByteBuffer()) }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
}
