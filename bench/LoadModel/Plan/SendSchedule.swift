// SPDX-License-Identifier: Apache-2.0

/// When messages are due: in stretches of one rate each, at equal distances, whatever the answers do.
///
/// Messages are numbered through all stretches. Pure; times are nanoseconds after the start of the sending.
package struct SendSchedule: Sendable, Equatable {
    /// Numbers of messages fit into 32 bits, with two values to spare.
    package static let messagesMax = Int(UInt32.max) - 2

    package struct Stretch: Sendable, Equatable, Codable {
        package var start: Int64
        package var messagesPerSecond: Double
        /// Part of it, from its start on, that is not measured.
        package var warmUp: Int64
        package var measured: Int64

        package init(start: Int64, messagesPerSecond: Double, warmUp: Int64, measured: Int64) {
            self.start = start
            self.messagesPerSecond = messagesPerSecond
            self.warmUp = warmUp
            self.measured = measured
        }

        package var measuredFrom: Int64 { self.start + self.warmUp }
        package var end: Int64 { self.start + self.warmUp + self.measured }

        /// Messages of it; nil when those are no number.
        var count: Int? {
            let total = Double(self.warmUp + self.measured) / 1e9 * self.messagesPerSecond
            guard self.messagesPerSecond >= 0, total.isFinite, total <= Double(SendSchedule.messagesMax) else {
                return nil
            }
            return Int(total.rounded(.down))
        }
    }

    private struct Place: Sendable, Equatable {
        var stretch: Stretch
        var first: Int
        var count: Int
    }

    private var places: [Place] = []
    /// Messages of all stretches.
    package private(set) var count = 0

    package init() {}

    package var stretches: [Stretch] { self.places.map(\.stretch) }
    package var last: Stretch? { self.places.last?.stretch }
    /// When the last stretch ends.
    package var end: Int64 { self.last?.end ?? 0 }

    /// Adds a stretch behind the others. Returns false, and adds nothing, when it begins before the last one ends, or
    /// there would be more than ``messagesMax``.
    package mutating func append(_ stretch: Stretch) -> Bool {
        guard stretch.start >= self.end, stretch.warmUp >= 0, stretch.measured >= 0, let count = stretch.count,
            self.count + count <= Self.messagesMax
        else { return false }
        self.places.append(Place(stretch: stretch, first: self.count, count: count))
        self.count += count
        return true
    }

    /// The stretch of a message that there is.
    package func stretch(of message: Int) -> Int {
        guard self.places.count > 1 else { return 0 }
        // What is asked for is in one of the last ones, nearly always.
        return self.places.lastIndex { $0.first <= message && $0.count > 0 } ?? 0
    }

    package func time(of message: Int) -> Int64 {
        let place = self.places[self.stretch(of: message)]
        let nanoseconds = Double(message - place.first) * 1e9 / place.stretch.messagesPerSecond
        return place.stretch.start + Int64(nanoseconds.rounded(.down))
    }

    /// How many messages have their time at or before this one: the number of the next that has not.
    package func dueCount(at nanoseconds: Int64) -> Int {
        guard let place = self.places.last(where: { $0.stretch.start <= nanoseconds }) else { return 0 }
        let seconds = Double(nanoseconds - place.stretch.start) / 1e9
        let end = place.first + place.count
        var due = min(end, place.first + Int(min(seconds * place.stretch.messagesPerSecond, Double(place.count))))
        while due < end, self.time(of: due) <= nanoseconds { due += 1 }
        while due > place.first, self.time(of: due - 1) > nanoseconds { due -= 1 }
        return due
    }

    /// Whether it belongs to the measured time of its stretch. The others are audited all the same.
    package func isMeasured(_ message: Int) -> Bool {
        self.time(of: message) >= self.places[self.stretch(of: message)].stretch.measuredFrom
    }
}
