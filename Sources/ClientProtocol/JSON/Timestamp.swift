// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// A moment in JSON: RFC 3339 in UTC with milliseconds, `2026-11-21T10:47:05.123Z`, always 24 characters.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// The last moment that four digits of a year can show: 9999-12-31T23:59:59.999Z.
    package static let latest: UnixMilliseconds = 253_402_300_799_999

    package var milliseconds: UnixMilliseconds

    package init(_ milliseconds: UnixMilliseconds) {
        self.milliseconds = milliseconds
    }

    /// Reads RFC 3339 in UTC (`Z`), with no fraction or one of 1…9 digits, of which the first three count.
    /// Returns nil for anything else, other offsets and times before 1970 included.
    package init?(_ text: String) {
        var rest = text.utf8[...]
        func take(_ separator: Unicode.Scalar) -> Bool {
            rest.popFirst() == UInt8(ascii: separator)
        }
        func number(_ digits: Int) -> Int? {
            var value = 0
            for _ in 0..<digits {
                guard let byte = rest.popFirst(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
                    return nil
                }
                value = value * 10 + Int(byte - UInt8(ascii: "0"))
            }
            return value
        }
        guard let year = number(4), take("-"), let month = number(2), take("-"), let day = number(2), take("T"),
            let hour = number(2), take(":"), let minute = number(2), take(":"), let second = number(2),
            (1970...9999).contains(year), (1...12).contains(month), day >= 1, hour < 24, minute < 60, second < 60
        else { return nil }
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            let digits = rest.count - 1
            guard (1...9).contains(digits), let value = number(digits) else { return nil }
            fraction = value
            for _ in digits..<max(digits, 3) { fraction *= 10 }
            for _ in 3..<max(digits, 3) { fraction /= 10 }
        }
        guard take("Z"), rest.isEmpty else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        let back = Self.date(days: days)
        guard back.month == month, back.day == day else { return nil }
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
        self.milliseconds = UInt64(seconds) * 1000 + UInt64(fraction)
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// Appends the 24 characters; a later moment than ``latest`` is shown as that.
    package func write(to bytes: inout [UInt8]) {
        let time = min(self.milliseconds, Self.latest)
        let date = Self.date(days: Int(time / 86_400_000))
        let inDay = Int(time % 86_400_000)
        Self.write(date.year, digits: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.write(date.month, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        Self.write(date.day, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        Self.write(inDay / 3_600_000, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        Self.write(inDay / 60_000 % 60, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        Self.write(inDay / 1000 % 60, digits: 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        Self.write(inDay % 1000, digits: 3, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    private static func write(_ value: Int, digits: Int, to bytes: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }

    /// Days since 1970-01-01 → date in the Gregorian calendar, and back. Source: H. Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", `civil_from_days` and `days_from_civil`, for days that are not negative.
    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

extension Timestamp: CustomStringConvertible {
    package var description: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        self.write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Timestamp: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let parsed = Self(try container.decode(String.self)) else {
            throw FieldRule("must be a time as in RFC 3339, in UTC").violated(at: decoder.codingPath)
        }
        self = parsed
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
