// SPDX-License-Identifier: Apache-2.0

import Foundation

/// When to say that a certificate runs out, as a value: from a week before on, once a day.
package struct ExpiryWarning: Sendable {
    package static let noticeTime: TimeInterval = 7 * 86_400
    package static let repeatTime: TimeInterval = 86_400

    private var toldAt: Date?

    package init() {}

    /// Counts as told when it is due.
    package mutating func isDue(expires: Date, now: Date) -> Bool {
        guard expires.timeIntervalSince(now) < Self.noticeTime else {
            self.toldAt = nil
            return false
        }
        if let toldAt, now.timeIntervalSince(toldAt) < Self.repeatTime { return false }
        self.toldAt = now
        return true
    }
}
