// SPDX-License-Identifier: Apache-2.0

import Placement
import TestSupport
import Testing

@Suite("Slots")
struct SlotTests {
    @Test("Numbers are below the count")
    func numbers() {
        #expect(Slot.count == 4096)
        #expect(Slot(0)?.number == 0)
        #expect(Slot(4095)?.number == 4095)
        #expect(Slot(UInt8.max)?.number == 255)
        #expect(Slot(4096) == nil)
        #expect(Slot(-1) == nil)
        #expect(Slot(UInt64.max) == nil)
    }

    @Test(
        "Ids and names have the slot that the reference implementation gives",
        arguments: [
            (0x0190_F3A0_1B2C_7DEF_8123_4567_89AB_CDEF, 787), (0, 3122), (UInt128.max, 1092),
        ] as [(UInt128, UInt16)]
    )
    func identifiers(value: UInt128, slot: UInt16) {
        #expect(Slot(of: value).number == slot)
    }

    @Test(
        "The slot of a name is that of its UTF-8 bytes",
        arguments: [
            ("alice", 73), ("bob", 59), ("größe", 677), (String(repeating: "a", count: 32), 2775), ("", 2457),
        ] as [(String, UInt16)]
    )
    func names(name: String, slot: UInt16) {
        #expect(Slot(ofName: name).number == slot)
    }

    /// 200,000 ids over 4096 slots: 48.8 each, with a standard deviation of 7.
    @Test("Ids in sequence spread evenly")
    func spread() {
        var counts = [Int](repeating: 0, count: Slot.count)
        let first: UInt128 = 0x0190_F3A0_1B2C_7000_8000_0000_0000_0000
        for index in 0..<200_000 { counts[Int(Slot(of: first + UInt128(index)).number)] += 1 }
        #expect(counts.min().map { $0 > 15 } == true)
        #expect(counts.max().map { $0 < 90 } == true)
        let mean = 200_000.0 / Double(Slot.count)
        let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) / mean }
        // 4095 degrees of freedom: 4095 ± 5 · 90.5.
        #expect(abs(chiSquare - 4095) < 453)
    }

    @Test("Slots are ordered by number")
    func order() throws {
        let one = try #require(Slot(1))
        let two = try #require(Slot(2))
        #expect(one < two)
        #expect(!(two < one))
    }
}
