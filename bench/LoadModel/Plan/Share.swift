// SPDX-License-Identifier: Apache-2.0

/// What falls to one of several processes.
package struct Share: Sendable, Equatable, Codable {
    /// Counted from 0.
    package var part: Int
    package var parts: Int

    package init(part: Int, of parts: Int) {
        self.part = part
        self.parts = parts
    }

    /// A part of so many; all parts together are all, and none is more than one unit larger than another.
    ///
    /// - Parameter unit: What is not divided.
    package func of(_ count: Int, in unit: Int = 1) -> Int {
        let units = count / unit
        return unit * (units * (self.part + 1) / self.parts - units * self.part / self.parts)
    }

    /// The same time at a part of the rate. The parts begin one after the other, so that what all offer together lies at
    /// equal distances again.
    package func of(_ stretch: SendSchedule.Stretch) -> SendSchedule.Stretch {
        var stretch = stretch
        let rate = stretch.messagesPerSecond
        stretch.messagesPerSecond = rate / Double(self.parts)
        guard rate > 0, self.parts > 1 else { return stretch }
        let shift = min(Int64(Double(self.part) * 1e9 / rate), stretch.warmUp + stretch.measured)
        stretch.start += shift
        // It ends when it would have, and is measured from when it would have been.
        let fromWarmUp = min(shift, stretch.warmUp)
        stretch.warmUp -= fromWarmUp
        stretch.measured -= shift - fromWarmUp
        return stretch
    }
}
