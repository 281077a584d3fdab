// SPDX-License-Identifier: Apache-2.0

/// In which milliseconds of a run something happened: one bit each, so the longest pause over several loops can be
/// found exactly to the millisecond.
package struct EventTimeline: Sendable, Codable, Equatable {
    /// Four hours; what happens later is not noted.
    package static let millisecondsMax = 4 * 3600 * 1000

    private var words: [UInt64] = []

    package init() {}

    /// - Parameter nanoseconds: After the start of the run.
    package mutating func note(at nanoseconds: Int64) {
        let millisecond = Int(nanoseconds / 1_000_000)
        guard millisecond >= 0, millisecond < Self.millisecondsMax else { return }
        let word = millisecond / 64
        if word >= self.words.count {
            self.words.append(contentsOf: repeatElement(0, count: word + 1 - self.words.count))
        }
        self.words[word] |= 1 << UInt64(millisecond % 64)
    }

    package mutating func merge(_ other: EventTimeline) {
        if other.words.count > self.words.count {
            self.words.append(contentsOf: repeatElement(0, count: other.words.count - self.words.count))
        }
        for index in other.words.indices { self.words[index] |= other.words[index] }
    }

    package struct Pause: Sendable, Codable, Equatable {
        /// Milliseconds after the start of the run.
        package var start: Int
        package var milliseconds: Int

        package init(start: Int, milliseconds: Int) {
            self.start = start
            self.milliseconds = milliseconds
        }

        private enum CodingKeys: String, CodingKey {
            case start = "start_ms"
            case milliseconds = "length_ms"
        }
    }

    /// The longest time without an event between two moments, in milliseconds after the start; both count as events.
    package func longestPause(from start: Int, to end: Int) -> Pause {
        var longest = Pause(start: start, milliseconds: 0)
        var last = start
        func event(at millisecond: Int) {
            if millisecond - last > longest.milliseconds {
                longest = Pause(start: last, milliseconds: millisecond - last)
            }
            last = millisecond
        }
        for (index, word) in self.words.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {
                let millisecond = index * 64 + rest.trailingZeroBitCount
                rest &= rest - 1
                if millisecond >= start, millisecond <= end { event(at: millisecond) }
            }
        }
        event(at: end)
        return longest
    }
}
