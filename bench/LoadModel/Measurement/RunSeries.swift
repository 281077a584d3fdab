// SPDX-License-Identifier: Apache-2.0

/// What happened in which interval of a run, as one event loop saw it.
///
/// Counts belong to the interval in which something happened; latencies, and what is offered, to the one in which the
/// message was planned to be sent. So a stall shows in full at the messages that it held up, and the latencies of all
/// intervals after the warm-up are those of the summary. Pure; times are nanoseconds after the start of the sending.
package struct RunSeries: Sendable, Codable {
    /// When there would be more, neighbours become one: memory is bounded by 2 recorders for each, 22 MiB, however long
    /// the run is.
    package static let intervalsMax = 480

    package struct Interval: Sendable, Codable {
        package var offered = 0
        /// Receivers of what is offered.
        package var offeredDeliveries = 0
        package var sent = 0
        package var acknowledged = 0
        package var delivered = 0
        package var failed = 0
        package var connectionsLost = 0
        package var acknowledgementLatency: LatencyRecorder?
        package var deliveryLatency: LatencyRecorder?

        mutating func merge(_ other: Interval) {
            self.offered += other.offered
            self.offeredDeliveries += other.offeredDeliveries
            self.sent += other.sent
            self.acknowledged += other.acknowledged
            self.delivered += other.delivered
            self.failed += other.failed
            self.connectionsLost += other.connectionsLost
            Self.merge(other.acknowledgementLatency, into: &self.acknowledgementLatency)
            Self.merge(other.deliveryLatency, into: &self.deliveryLatency)
        }

        private static func merge(_ other: LatencyRecorder?, into recorder: inout LatencyRecorder?) {
            guard let other else { return }
            if recorder == nil {
                recorder = other
            } else {
                recorder?.merge(other)
            }
        }
    }

    /// Of each interval: a power of two.
    package private(set) var intervalSeconds = 1
    package private(set) var intervals: [Interval] = []

    package init() {}

    // MARK: - Events

    /// - Parameter time: The planned one.
    package mutating func offered(deliveries: Int, at time: Int64) {
        let place = self.place(of: time)
        self.intervals[place].offered += 1
        self.intervals[place].offeredDeliveries += deliveries
    }

    package mutating func sent(at time: Int64) {
        self.intervals[self.place(of: time)].sent += 1
    }

    package mutating func failed(at time: Int64) {
        self.intervals[self.place(of: time)].failed += 1
    }

    package mutating func connectionLost(at time: Int64) {
        self.intervals[self.place(of: time)].connectionsLost += 1
    }

    package mutating func acknowledged(at time: Int64, planned: Int64) {
        self.intervals[self.place(of: time)].acknowledged += 1
        let place = self.place(of: planned)
        self.intervals[place].acknowledgementLatency.record(time - planned)
    }

    /// - Parameter count: Receivers that had it at that time.
    package mutating func delivered(at time: Int64, planned: Int64, count: Int = 1) {
        self.intervals[self.place(of: time)].delivered += count
        let place = self.place(of: planned)
        self.intervals[place].deliveryLatency.record(time - planned, count: count)
    }

    // MARK: - Intervals

    package mutating func merge(_ other: RunSeries) {
        var other = other
        while self.intervalSeconds < other.intervalSeconds { self.widen() }
        while other.intervalSeconds < self.intervalSeconds { other.widen() }
        self.extend(to: other.intervals.count)
        for index in other.intervals.indices { self.intervals[index].merge(other.intervals[index]) }
    }

    private mutating func place(of time: Int64) -> Int {
        let second = Int(max(0, time) / 1_000_000_000)
        while second / self.intervalSeconds >= Self.intervalsMax { self.widen() }
        let place = second / self.intervalSeconds
        self.extend(to: place + 1)
        return place
    }

    private mutating func extend(to count: Int) {
        guard count > self.intervals.count else { return }
        self.intervals.append(contentsOf: repeatElement(Interval(), count: count - self.intervals.count))
    }

    private mutating func widen() {
        self.intervalSeconds *= 2
        var wide: [Interval] = []
        wide.reserveCapacity((self.intervals.count + 1) / 2)
        for (index, interval) in self.intervals.enumerated() {
            if index.isMultiple(of: 2) {
                wide.append(interval)
            } else {
                wide[index / 2].merge(interval)
            }
        }
        self.intervals = wide
    }
}

extension LatencyRecorder? {
    fileprivate mutating func record(_ nanoseconds: Int64, count: Int = 1) {
        if self == nil { self = LatencyRecorder(.two) }
        self?.record(nanoseconds: nanoseconds, count: count)
    }
}
