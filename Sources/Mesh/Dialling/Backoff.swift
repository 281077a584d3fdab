// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The waits between attempts: doubling up to a bound, each shortened by a random part of up to one half, so that many
/// nodes that lost the same peer do not come back at once.
struct Backoff: Sendable {
    let delayMin: TimeAmount
    let delayMax: TimeAmount
    private var delay: TimeAmount

    init(delayMin: TimeAmount, delayMax: TimeAmount) {
        self.delayMin = delayMin
        self.delayMax = max(delayMin, delayMax)
        self.delay = delayMin
    }

    /// - Parameter random: 0…1.
    mutating func next(random: Double) -> TimeAmount {
        let shortened = Double(self.delay.nanoseconds) * (1 - 0.5 * random)
        self.delay = min(self.delayMax, .nanoseconds(self.delay.nanoseconds * 2))
        return .nanoseconds(Int64(shortened))
    }

    mutating func reset() {
        self.delay = self.delayMin
    }
}
