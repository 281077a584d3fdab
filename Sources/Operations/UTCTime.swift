// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Messaging

/// Points in time and spans as people read them.
enum UTCTime {
    /// The same, of a date.
    static func text(of date: Date) -> String {
        self.text(of: UnixMilliseconds(date.timeIntervalSince1970 * 1000))
    }

    /// `2026-01-31 10:20:30Z`.
    static func text(of milliseconds: UnixMilliseconds) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "an unknown time" }
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%SZ", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `2026-01-31T10:20:30.004Z`, as RFC 3339 has it.
    static func precise(_ milliseconds: UnixMilliseconds) -> String {
        // Put together by hand: a `Date` counts in binary fractions and would lose some of the milliseconds.
        let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        return "\(text.dropLast()).\(String(1000 + rest).dropFirst())Z"
    }

    /// `42s`, `3m 7s`, `5h 12m`, `8d 3h`: the two largest units.
    static func span(seconds: Int) -> String {
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60)
        if days > 0 { return "\(days)d \(hours)h" }
        if hours > 0 { return "\(hours)h \(minutes)m" }
        if minutes > 0 { return "\(minutes)m \(seconds % 60)s" }
        return "\(max(0, seconds))s"
    }
}
