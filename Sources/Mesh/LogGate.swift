// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Lets one log line per subject and interval through, so that a peer that keeps coming back cannot fill the log.
struct LogGate: Sendable {
    static let interval: TimeAmount = .seconds(10)
    /// Subjects remembered; with more, all are forgotten, which costs some repeated lines.
    static let subjectsMax = 256

    private struct Entry {
        var openAt: NIODeadline
        var suppressed: Int
    }

    private var entries: [String: Entry] = [:]

    /// - Returns: how many lines of this subject were held back since the last one that was let through, or nil when
    ///   this one is held back too.
    mutating func pass(_ subject: String, now: NIODeadline) -> Int? {
        if var entry = self.entries[subject], now < entry.openAt {
            entry.suppressed += 1
            self.entries[subject] = entry
            return nil
        }
        let suppressed = self.entries[subject]?.suppressed ?? 0
        if self.entries.count >= Self.subjectsMax, self.entries[subject] == nil {
            self.entries.removeAll(keepingCapacity: true)
        }
        self.entries[subject] = Entry(openAt: now + Self.interval, suppressed: 0)
        return suppressed
    }
}
