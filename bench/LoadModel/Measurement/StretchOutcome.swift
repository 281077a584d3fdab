// SPDX-License-Identifier: Apache-2.0

/// What became of one stretch of the schedule, as one event loop or process saw it.
///
/// Counts of what came are those of its measured time, whenever a message was planned; latencies, offers and failures are
/// those of the messages that were planned in it, whenever the answer came. Pure; times are nanoseconds after the start.
package struct StretchOutcome: Sendable, Codable {
    package var offered = 0
    package var failed = 0
    package var acknowledged = 0
    package var delivered = 0
    package var acknowledgementLatency = LatencyRecorder()
    package var deliveryLatency = LatencyRecorder()
    /// From the planned time to the moment the generator got round to it.
    package var lateness = LatencyRecorder()

    package init() {}

    package mutating func merge(_ other: StretchOutcome) {
        self.offered += other.offered
        self.failed += other.failed
        self.acknowledged += other.acknowledged
        self.delivered += other.delivered
        self.acknowledgementLatency.merge(other.acknowledgementLatency)
        self.deliveryLatency.merge(other.deliveryLatency)
        self.lateness.merge(other.lateness)
    }
}
