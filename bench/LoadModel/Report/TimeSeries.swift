// SPDX-License-Identifier: Apache-2.0

/// The run over time, in intervals of one length from the start of the sending on.
package struct TimeSeries: Sendable, Codable, Equatable {
    /// As in ``RunSeries/Interval``.
    package struct Interval: Sendable, Codable, Equatable {
        package var start = 0
        package var offered = 0
        package var offeredDeliveries = 0
        package var sent = 0
        package var acknowledged = 0
        package var delivered = 0
        package var failed = 0
        package var connectionsLost = 0
        /// Of the messages that were planned in it.
        package var acknowledgementLatency = LatencySummary()
        package var deliveryLatency = LatencySummary()

        package init() {}

        private enum CodingKeys: String, CodingKey {
            case offered, sent, acknowledged, delivered, failed
            case start = "start_seconds"
            case offeredDeliveries = "offered_deliveries"
            case connectionsLost = "connections_lost"
            case acknowledgementLatency = "acknowledgement_latency"
            case deliveryLatency = "delivery_latency"
        }
    }

    /// Whole intervals between the end of the warm-up and the end of the plan: what costs are counted over.
    package struct Span: Sendable, Codable, Equatable {
        package var start: Int
        package var end: Int
        package var delivered: Int

        package var seconds: Int { self.end - self.start }

        private enum CodingKeys: String, CodingKey {
            case delivered
            case start = "start_seconds"
            case end = "end_seconds"
        }
    }

    package var intervalSeconds = 1
    package var intervals: [Interval] = []
    /// Nil when the measured time holds no whole interval.
    package var measured: Span?
    package var nodes: [NodeSeries] = []

    package init() {}

    /// - Parameters:
    ///   - warmUpSeconds: From the start on.
    ///   - plannedSeconds: Warm-up and measured time.
    ///   - nodes: Who they are, with what they told.
    package init(
        _ series: RunSeries,
        warmUpSeconds: Double,
        plannedSeconds: Double,
        nodes: [(node: NodeSeries, samples: NodeSamples)]
    ) {
        let width = series.intervalSeconds
        self.intervalSeconds = width
        self.intervals = series.intervals.enumerated().map { Interval($0.element, start: $0.offset * width) }
        let first = Int((warmUpSeconds / Double(width)).rounded(.up))
        let last = min(Int((plannedSeconds / Double(width)).rounded(.down)), self.intervals.count)
        if first < last {
            let delivered = self.intervals[first..<last].reduce(0) { $0 + $1.delivered }
            self.measured = Span(start: first * width, end: last * width, delivered: delivered)
        }
        self.nodes = nodes.map { self.filled($0.node, $0.samples) }
    }

    private func filled(_ node: NodeSeries, _ samples: NodeSamples) -> NodeSeries {
        var node = node
        let width = Int64(self.intervalSeconds) * 1_000_000_000
        for index in self.intervals.indices {
            let (start, end) = (Int64(index) * width, Int64(index + 1) * width)
            let seconds = samples.cpuSeconds(from: start, to: end)
            node.cores.append(seconds.map { $0 / Double(self.intervalSeconds) })
            node.residentBytes.append(samples.residentBytes(from: index == 0 ? .min : start, to: end))
        }
        node.measuredCPUSeconds = self.measured.flatMap { span in
            samples.cpuSeconds(from: Int64(span.start) * 1_000_000_000, to: Int64(span.end) * 1_000_000_000)
        }
        node.peakResidentBytes = samples.peakResidentBytes
        node.missed = samples.missed
        return node
    }

    // MARK: - Costs

    /// Those that belong to the cluster.
    package var clusterNodes: [NodeSeries] { self.nodes.filter { $0.role != .generator } }

    /// Processor time of a node for each delivery of the whole cluster, in microseconds, over the measured span.
    package func microsecondsPerDelivery(of node: NodeSeries) -> Double? {
        guard let delivered = self.measured?.delivered, delivered > 0 else { return nil }
        return node.measuredCPUSeconds.map { $0 * 1e6 / Double(delivered) }
    }

    /// Processor time of all watched nodes together for each delivery. Nil when one of them is not known.
    package var microsecondsPerDelivery: Double? {
        let costs = self.clusterNodes.map { self.microsecondsPerDelivery(of: $0) }
        let known = costs.compactMap { $0 }
        return known.isEmpty || known.count < costs.count ? nil : known.reduce(0, +)
    }

    private enum CodingKeys: String, CodingKey {
        case intervals, nodes
        case intervalSeconds = "interval_seconds"
        case measured = "measured_span"
    }
}

extension TimeSeries.Interval {
    init(_ interval: RunSeries.Interval, start: Int) {
        self.start = start
        self.offered = interval.offered
        self.offeredDeliveries = interval.offeredDeliveries
        self.sent = interval.sent
        self.acknowledged = interval.acknowledged
        self.delivered = interval.delivered
        self.failed = interval.failed
        self.connectionsLost = interval.connectionsLost
        self.acknowledgementLatency = interval.acknowledgementLatency?.summary ?? LatencySummary()
        self.deliveryLatency = interval.deliveryLatency?.summary ?? LatencySummary()
    }
}
