// SPDX-License-Identifier: Apache-2.0

/// The resident memory of one node over a run, in bytes, as the node's own metrics tell it.
///
/// What is between two samples is not seen.
package struct NodeMemory: Sendable, Codable, Equatable {
    package enum Phase: Sendable {
        /// Before the first user is made.
        case start
        /// All are connected, the storm is to come.
        case before
        /// From the storm on.
        case storm
    }

    /// Where the node answers.
    package var node: String
    package var atStart: Int?
    /// The last one before the storm.
    package var before: Int?
    /// The largest from the storm on.
    package var peak: Int?
    package var atEnd: Int?
    package var samples = 0
    /// Times that the node did not answer.
    package var missed = 0

    package init(node: String) {
        self.node = node
    }

    /// - Parameter bytes: nil when the node did not answer.
    package mutating func note(_ bytes: Int?, _ phase: Phase) {
        guard let bytes else {
            self.missed += 1
            return
        }
        self.samples += 1
        switch phase {
        case .start: self.atStart = bytes
        case .before: self.before = bytes
        case .storm: self.peak = max(self.peak ?? 0, bytes)
        }
        self.atEnd = bytes
    }

    private enum CodingKeys: String, CodingKey {
        case node, samples, missed
        case atStart = "at_start_bytes"
        case before = "before_storm_bytes"
        case peak = "peak_bytes"
        case atEnd = "at_end_bytes"
    }
}
