// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging
import TestSupport
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    private static let text = "0190f3a0-1b2c-7def-8123-456789abcdef"

    @Test("Text and bytes come back the same")
    func roundTrip() throws {
        let id = try #require(UserID(Self.text))
        #expect(id.value == 0x0190_F3A0_1B2C_7DEF_8123_4567_89AB_CDEF)
        #expect(id.description == Self.text)
        #expect(
            id.bytes == [1, 0x90, 0xF3, 0xA0, 0x1B, 0x2C, 0x7D, 0xEF, 0x81, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]
        )
        #expect(UserID(bytes: id.bytes) == id)
        #expect(UserID(Self.text.uppercased()) == id)
        #expect(UserID(Substring(Self.text)) == id)
        #expect(UserID(value: 0).description == "00000000-0000-0000-0000-000000000000")
        #expect(UserID(value: .max).description == "ffffffff-ffff-ffff-ffff-ffffffffffff")
    }

    @Test(
        "What is no id",
        arguments: [
            "", "-", Self.text + "0", String(Self.text.dropLast()), " " + Self.text, Self.text + " ", "{\(Self.text)}",
            "0190f3a01b2c7def8123456789abcdef", "0190f3a0-1b2c-7def-8123-456789abcdeg",
            "0190f3a0_1b2c_7def_8123_456789abcdef", "0190f3a01-b2c-7def-8123-456789abcdef",
            "0190f3a0-1b2c-7def-8123-456789abcde", "0190f3a0-1b2c-7def-8123--56789abcdef",
            "0190f3a0-1b2c-7def-8123-456789abcde\u{301}f", "0190f3a0-1b2c-7def-8123-456789abcdｅf",
            "------------------------------------", "0190f3a0-1b2c-7def-8123-456789abcdef\0", "urn:uuid:" + Self.text,
            String(repeating: "0", count: 36), String(repeating: "a", count: 100_000),
        ]
    )
    func garbage(_ text: String) {
        #expect(ConversationID(text) == nil)
    }

    @Test("Only sixteen bytes make an id")
    func bytes() {
        for count in 0...40 where count != 16 {
            #expect(DeviceID(bytes: [UInt8](repeating: 1, count: count)) == nil)
        }
    }

    @Test("Random ids come back the same, random text never crashes", arguments: [UInt64(31), 32, 33])
    func fuzz(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let id = try #require(UserID(bytes: random.bytes(16)))
            #expect(UserID(id.description) == id, "seed \(seed)")
            // Foundation writes the same text on its own.
            let bytes = id.bytes
            let uuid = bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)) }
            #expect(uuid.uuidString.lowercased() == id.description, "seed \(seed)")
            var text = Array(id.description.utf8)
            text[Int.random(in: 0..<36, using: &random)] = UInt8.random(in: 0...127, using: &random)
            let changed = String(decoding: text, as: UTF8.self)
            if let parsed = UserID(changed) {
                #expect(parsed.description == changed.lowercased(), "seed \(seed)")
            }
            _ = UserID(String(decoding: random.bytes(Int.random(in: 0...60, using: &random)), as: UTF8.self))
        }
    }

    @Test("The order is that of the text")
    func order() {
        var random = SeededRandom(seed: 41)
        let ids = (0..<200).compactMap { _ in UserID(bytes: random.bytes(16)) }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }

    @Test("JSON holds the text form and nothing else")
    func json() throws {
        let id = try #require(UserID(Self.text))
        let data = try JSONEncoder().encode([id])
        #expect(String(decoding: data, as: UTF8.self) == "[\"\(Self.text)\"]")
        #expect(try JSONDecoder().decode([UserID].self, from: data) == [id])
        for wrong in ["[\"x\"]", "[1]", "[null]", "[\"\"]"] {
            #expect(throws: DecodingError.self) { try JSONDecoder().decode([UserID].self, from: Data(wrong.utf8)) }
        }
    }
}

@Suite("UUIDv7")
struct VersionSevenTests {
    @Test("New ids grow strictly, carry the time, version and variant")
    func generated() throws {
        let before = WallClock.now()
        let ids = (0..<20_000).map { _ in ClientMessageID.generate() }
        let after = WallClock.now()
        for (id, next) in zip(ids, ids.dropFirst()) { #expect(id < next) }
        for id in ids {
            #expect(id.bytes[6] >> 4 == 7)
            #expect(id.bytes[8] >> 6 == 0b10)
            let timestamp = try #require(id.timestamp)
            // More than 4096 ids in one millisecond run ahead of the clock, by no more than a few milliseconds.
            #expect(timestamp >= before && timestamp <= after + 20)
        }
    }

    @Test("Ids of many threads are all different, and each thread's grow")
    func concurrent() async {
        let perTask = 5000
        let lists = await withTaskGroup(of: [UserID].self, returning: [[UserID]].self) { group in
            for _ in 0..<4 {
                group.addTask { (0..<perTask).map { _ in UserID.generate() } }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(lists.flatMap { $0 }).count == 4 * perTask)
        for list in lists {
            #expect(zip(list, list.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("Only version 7 has a time")
    func timestamps() throws {
        // The example of RFC 9562, appendix A.6: 2022-02-22 19:22:22 UTC.
        let example = try #require(UserID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
        #expect(example.timestamp == 1_645_557_742_000)
        // Appendix A.3, version 4.
        #expect(try #require(UserID("919108f7-52d1-4320-9bac-f847db4148a8")).timestamp == nil)
        #expect(UserID(value: 0).timestamp == nil)
        #expect(UserID(value: .max).timestamp == nil)
    }

    @Test(
        "The lower bound of a millisecond is below all its ids and above those before",
        arguments: [
            0, 1, 1_645_557_742_000, 0xFFFF_FFFF_FFFF,
        ] as [UInt64]
    )
    func lowerBound(time: UInt64) throws {
        let bound = UserID.lowerBound(at: time)
        #expect(bound.timestamp == time)
        #expect(bound.bytes[8] >> 6 == 0b10)
        let anyOfIt = UserID(value: bound.value | 0x0FFF << 64 | 0x3FFF_FFFF_FFFF_FFFF)
        #expect(bound < anyOfIt)
        if time > 0 {
            let before = UserID.lowerBound(at: time - 1)
            #expect(UserID(value: before.value | 0x0FFF << 64 | 0x3FFF_FFFF_FFFF_FFFF) < bound)
        }
    }
}

@Suite("The id of a direct conversation")
struct DirectConversationTests {
    @Test("It does not depend on who begins")
    func symmetric() {
        var random = SeededRandom(seed: 51)
        var seen: Set<ConversationID> = []
        for _ in 0..<500 {
            guard let one = UserID(bytes: random.bytes(16)), let other = UserID(bytes: random.bytes(16)) else {
                continue
            }
            let id = ConversationID.direct(one, other)
            #expect(id == ConversationID.direct(other, one))
            #expect(id.bytes[6] >> 4 == 8)
            #expect(id.bytes[8] >> 6 == 0b10)
            #expect(id.timestamp == nil)
            seen.insert(id)
        }
        #expect(seen.count == 500)
    }

    @Test(
        "It is the one that the description gives, computed elsewhere",
        arguments: [
            ("0190f3a0-1b2c-7def-8123-456789abcdee", "094f1a55-f01a-81fd-8af4-0e5dd2615883"),
            ("0190f3a0-1b2c-7def-8123-456789abcdef", "ea325c02-6470-864a-a783-731bfd384730"),
        ]
    )
    func known(other: String, expected: String) throws {
        let one = try #require(UserID("0190f3a0-1b2c-7def-8123-456789abcdef"))
        #expect(ConversationID.direct(one, try #require(UserID(other))).description == expected)
    }
}

@Suite("The public id of a message")
struct MessageIDTests {
    private static let conversation = "0190f3a0-1b2c-7def-8123-456789abcdef"

    @Test("Text comes back the same", arguments: [1, 9, 10, 4096, UInt64(Int64.max), .max])
    func roundTrip(seq: UInt64) throws {
        let id = MessageID(conversation: try #require(ConversationID(Self.conversation)), seq: seq)
        #expect(id.description == "\(Self.conversation).\(seq)")
        #expect(MessageID(id.description) == id)
    }

    @Test(
        "What is no id of a message",
        arguments: [
            "", ".", "1", Self.conversation, Self.conversation + ".", Self.conversation + ".0",
            Self.conversation + ".-1",
            Self.conversation + ".+1", Self.conversation + ".01", Self.conversation + ". 1", Self.conversation + ".1 ",
            Self.conversation + ".1.2", Self.conversation + ".x", Self.conversation + ".1x", Self.conversation + ".１",
            Self.conversation + ".18446744073709551616", Self.conversation + "..1", ".1", "x.1",
            Self.conversation + "-1",
        ]
    )
    func garbage(_ text: String) {
        #expect(MessageID(text) == nil)
    }

    @Test("What is read is what would be written", arguments: [UInt64(61), 62, 63])
    func fuzz(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2000 {
            let seq = UInt64.random(in: 1...UInt64.max, using: &random) >> UInt64.random(in: 0..<63, using: &random)
            var text = Array("\(Self.conversation).\(max(1, seq))".utf8)
            #expect(MessageID(String(decoding: text, as: UTF8.self)) != nil, "seed \(seed)")
            text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            let changed = String(decoding: text, as: UTF8.self)
            if let parsed = MessageID(changed) {
                #expect(parsed.description == changed.lowercased(), "seed \(seed)")
            }
        }
    }

    @Test("Only the canonical text is read, wherever it is damaged", arguments: 0..<36)
    func damagedText(place: Int) {
        let id = UserID.generate()
        let text = Array(id.description.utf8)
        #expect(UserID(String(decoding: text, as: UTF8.self)) == id)
        for byte in UInt8(0x20)..<0x7F {
            var damaged = text
            damaged[place] = byte
            let read = UserID(String(decoding: damaged, as: UTF8.self))
            let isHyphen = [8, 13, 18, 23].contains(place)
            let isTaken = isHyphen ? byte == UInt8(ascii: "-") : Character(Unicode.Scalar(byte)).isHexDigit
            #expect((read != nil) == isTaken, "\(byte) at \(place)")
            #expect(
                read.map {
                    $0.description.utf8.elementsEqual(String(decoding: damaged, as: UTF8.self).lowercased().utf8)
                } != false
            )
        }
        #expect(UserID(String(decoding: text.dropLast(), as: UTF8.self)) == nil)
        #expect(UserID(String(decoding: text + [0x30], as: UTF8.self)) == nil)
    }
}
