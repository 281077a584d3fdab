// SPDX-License-Identifier: Apache-2.0

@testable import LoadModel

/// A report as a run of some seconds makes it.
enum SampleReport {
    /// - Parameter latency: Milliseconds of a message by its number.
    static func make(
        seconds: Int = 12,
        warmUpSeconds: Int = 2,
        messagesPerSecond: Int = 50,
        nodes: Int = 3,
        latency: (Int) -> Double = { 1 + Double($0 % 17) }
    ) -> RunReport {
        var report = RunReport()
        report.run = "sample"
        report.startedAt = "2026-01-02T03:04:05.000Z"
        report.program = "trunkline-load 0.1.0"
        report.commandLine = ["trunkline-load", "--rate", "\(messagesPerSecond)"]
        report.machine.processor = "Some processor"
        report.machine.cores = 2
        report.settings.edges = ["http://127.0.0.1:1", "http://127.0.0.1:2"]
        report.settings.users = 40
        report.settings.conversations = 20
        report.settings.messagesPerSecond = Double(messagesPerSecond)
        report.settings.warmUpSeconds = Double(warmUpSeconds)
        report.settings.durationSeconds = Double(seconds - warmUpSeconds)
        var series = RunSeries()
        var (acknowledged, delivered) = (LatencyRecorder(), LatencyRecorder())
        for message in 0..<(seconds * messagesPerSecond) {
            let planned = Int64(message) * 1_000_000_000 / Int64(messagesPerSecond)
            let (one, other) = (Int64(latency(message) * 1e6), Int64(latency(message) * 1.5e6))
            series.offered(deliveries: 1, at: planned)
            series.sent(at: planned)
            series.acknowledged(at: planned + one, planned: planned)
            series.delivered(at: planned + other, planned: planned)
            guard planned >= Int64(warmUpSeconds) * 1_000_000_000 else { continue }
            acknowledged.record(nanoseconds: one)
            delivered.record(nanoseconds: other)
        }
        report.acknowledgementLatency = acknowledged.summary
        report.deliveryLatency = delivered.summary
        report.acknowledgementDistribution = acknowledged.distribution
        report.deliveryDistribution = delivered.distribution
        report.counts.offered = seconds * messagesPerSecond
        report.counts.acknowledged = report.counts.offered
        report.counts.deliveredLive = report.counts.offered
        report.timeSeries = TimeSeries(
            series,
            warmUpSeconds: Double(warmUpSeconds),
            plannedSeconds: Double(seconds),
            nodes: (0..<nodes).map { Self.node($0, of: nodes, seconds: seconds) }
        )
        return report
    }

    /// The last one is the load generator.
    private static func node(_ number: Int, of count: Int, seconds: Int) -> (NodeSeries, NodeSamples) {
        var node = NodeSeries(name: "node-\(number)", address: "127.0.0.1:\(8000 + number)")
        node.role = number == count - 1 ? .generator : number.isMultiple(of: 2) ? .edge : .router
        node.version = node.role == .generator ? nil : "0.1.0"
        var samples = NodeSamples()
        for second in -1...(seconds + 1) {
            samples.note(
                NodeSamples.Sample(
                    time: Int64(second) * 1_000_000_000,
                    cpuSeconds: Double(second + 2) * 0.1 * Double(number + 1),
                    residentBytes: 40 << 20,
                    startedAt: 1
                )
            )
        }
        return (node, samples)
    }
}
