// SPDX-License-Identifier: Apache-2.0

/// The waits between the attempts of one request: doubling, with a random part so that many do not come at once.
package struct RetrySchedule: Sendable {
    static let firstDelayMilliseconds = 10
    static let delayMillisecondsMax = 250

    private var delay = Self.firstDelayMilliseconds

    package init() {}

    /// The next wait in milliseconds: the doubled one before, plus up to a half of it.
    package mutating func next(using generator: inout some RandomNumberGenerator) -> Int {
        let delay = self.delay
        self.delay = min(delay * 2, Self.delayMillisecondsMax)
        return delay + Int.random(in: 0...delay / 2, using: &generator)
    }

    mutating func next() -> Int {
        var generator = SystemRandomNumberGenerator()
        return self.next(using: &generator)
    }

    mutating func reset() {
        self.delay = Self.firstDelayMilliseconds
    }
}
