// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import TestSupport
import Testing

@Suite("Times in JSON")
struct TimestampTests {
    @Test(
        "Known moments have their text",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_258_025_123, "2026-11-21T10:47:05.123Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(UInt64, String)]
    )
    func known(milliseconds: UInt64, text: String) {
        #expect(Timestamp(milliseconds).description == text)
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test("A moment that four digits cannot show is shown as the last one that they can")
    func tooLate() {
        #expect(Timestamp(.max).description == "9999-12-31T23:59:59.999Z")
    }

    @Test("Text and back is the same moment")
    func roundTrip() {
        let seed: UInt64 = 0x7157
        var random = SeededRandom(seed: seed)
        for _ in 0..<20_000 {
            let time = Timestamp(UInt64.random(in: 0...Timestamp.latest, using: &random))
            #expect(Timestamp(time.description) == time, "seed \(seed)")
        }
    }

    @Test("Other fractions of RFC 3339 are read", arguments: ["", ".1", ".12", ".123", ".123999999"])
    func fractions(fraction: String) {
        let expected: [Int: UInt64] = [0: 0, 2: 100, 3: 120, 4: 123, 10: 123]
        #expect(Timestamp("1970-01-01T00:00:00\(fraction)Z")?.milliseconds == expected[fraction.count])
    }

    @Test(
        "What is no such time is refused",
        arguments: [
            "", "Z", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00+01:00", "1970-01-01 00:00:00Z",
            "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-02-29T00:00:00Z", "1970-01-32T00:00:00Z",
            "1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00ZZ", "1970-01-01T00:00:0١Z", "-970-01-01T00:00:00Z",
        ]
    )
    func refused(text: String) {
        #expect(Timestamp(text) == nil)
    }
}
