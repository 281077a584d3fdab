// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("A run over time")
struct TimeSeriesTests {
    private static let second: Int64 = 1_000_000_000

    @Test("counts lie where something happened, latencies where the message was planned")
    func places() {
        var series = RunSeries()
        series.offered(deliveries: 3, at: 900_000_000)
        series.sent(at: 1_100_000_000)
        series.acknowledged(at: 2_900_000_000, planned: 900_000_000)
        series.delivered(at: 3_900_000_000, planned: 900_000_000)
        series.failed(at: -5)
        series.connectionLost(at: 3_000_000_000)
        #expect(series.intervals.map(\.offered) == [1, 0, 0, 0])
        #expect(series.intervals.map(\.offeredDeliveries) == [3, 0, 0, 0])
        #expect(series.intervals.map(\.sent) == [0, 1, 0, 0])
        #expect(series.intervals.map(\.acknowledged) == [0, 0, 1, 0])
        #expect(series.intervals.map(\.delivered) == [0, 0, 0, 1])
        #expect(series.intervals.map(\.failed) == [1, 0, 0, 0])
        #expect(series.intervals.map(\.connectionsLost) == [0, 0, 0, 1])
        let latencies = series.intervals.map { $0.acknowledgementLatency?.summary.max ?? 0 }
        #expect(abs(latencies[0] - 2000) < 20)
        #expect(latencies.dropFirst().allSatisfy { $0 == 0 })
        #expect(abs((series.intervals[0].deliveryLatency?.summary.max ?? 0) - 3000) < 30)
    }

    @Test("a long run has wider intervals instead of more, and no event is lost")
    func bounded() {
        var series = RunSeries()
        let seconds = 3 * RunSeries.intervalsMax + 7
        for second in 0..<seconds {
            let time = Int64(second) * Self.second
            series.offered(deliveries: 1, at: time)
            series.acknowledged(at: time + 2_000_000, planned: time)
        }
        #expect(series.intervalSeconds == 4)
        #expect(series.intervals.count == (seconds + 3) / 4)
        #expect(series.intervals.reduce(0) { $0 + $1.offered } == seconds)
        #expect(series.intervals.reduce(0) { $0 + ($1.acknowledgementLatency?.count ?? 0) } == UInt64(seconds))
        #expect(series.intervals.dropLast().allSatisfy { $0.offered == 4 })
        series.sent(at: .max)
        #expect(series.intervals.count <= RunSeries.intervalsMax)
    }

    @Test("two loops of different widths make one, with the percentiles of all values")
    func merged() {
        var one = RunSeries()
        var other = RunSeries()
        var all = LatencyRecorder(.two)
        for number in 0..<200 {
            let latency = Int64(number + 1) * 1_000_000
            all.record(nanoseconds: latency)
            if number.isMultiple(of: 2) {
                one.acknowledged(at: latency, planned: 0)
            } else {
                other.acknowledged(at: latency, planned: 0)
            }
        }
        other.sent(at: Int64(RunSeries.intervalsMax) * Self.second)
        #expect(other.intervalSeconds == 2)
        var (left, right) = (one, other)
        left.merge(other)
        right.merge(one)
        for series in [left, right] {
            #expect(series.intervalSeconds == 2)
            #expect(series.intervals.count == other.intervals.count)
            #expect(series.intervals[0].acknowledgementLatency?.summary == all.summary)
            #expect(series.intervals[0].acknowledged == 200)
        }
    }

    @Test("the percentile curve ends at the largest value, and the ranges hold every value")
    func distribution() {
        var recorder = LatencyRecorder()
        for microseconds in 1...100_000 { recorder.record(nanoseconds: Int64(microseconds) * 1000) }
        let distribution = recorder.distribution
        let points = distribution.percentiles
        #expect(points.first?.percentage == 0)
        #expect(points.last?.percentage == 100)
        #expect(abs((points.last?.milliseconds ?? 0) - recorder.summary.max) < 1e-9)
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.percentage < $1.percentage })
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.milliseconds <= $1.milliseconds })
        #expect(points.contains { $0.percentage > 99.99 && $0.percentage < 100 })
        #expect(distribution.buckets.reduce(0) { $0 + $1.count } == 100_000)
        #expect(zip(distribution.buckets, distribution.buckets.dropFirst()).allSatisfy { $0.upper == $1.lower })
        #expect(LatencyRecorder().distribution == LatencyDistribution())
        var single = LatencyRecorder()
        single.record(nanoseconds: 5_000_000)
        #expect(single.distribution.percentiles.map(\.percentage) == [100])
        #expect(single.distribution.buckets.map(\.count) == [1])
    }

    // MARK: - Nodes

    private func sample(_ seconds: Double, cpu: Double?, bytes: Int? = nil, life: Double = 1) -> NodeSamples.Sample {
        NodeSamples.Sample(time: Int64(seconds * 1e9), cpuSeconds: cpu, residentBytes: bytes, startedAt: life)
    }

    @Test("processor time grows evenly between two answers, and is not known across a restart or a silence")
    func processorTime() throws {
        var samples = NodeSamples()
        for second in 0...4 { samples.note(self.sample(Double(second) - 0.5, cpu: Double(second) * 0.4)) }
        #expect(abs(try #require(samples.cpuSeconds(from: 0, to: Self.second)) - 0.4) < 1e-9)
        #expect(abs(try #require(samples.cpuSeconds(from: 0, to: 3 * Self.second)) - 1.2) < 1e-9)
        #expect(samples.cpuSeconds(from: 3 * Self.second, to: 4 * Self.second) == nil, "nobody was asked after 3.5 s")
        #expect(abs(try #require(samples.latestCores) - 0.4) < 1e-9)
        samples.note(self.sample(4.5, cpu: 0.1, life: 2))
        #expect(samples.latestCores == nil)
        #expect(samples.cpuSeconds(from: 3 * Self.second, to: 4 * Self.second) == nil, "another process")
        samples.note(self.sample(5.5, cpu: 0.3, life: 2))
        #expect(samples.cpuSeconds(from: 4_600_000_000, to: 5 * Self.second) != nil)
        samples.noteMissed()
        samples.note(self.sample(30, cpu: 9, life: 2))
        #expect(samples.cpuSeconds(from: 6 * Self.second, to: 20 * Self.second) == nil, "too long a silence")
        #expect(samples.missed == 1)
    }

    @Test("of many samples fewer are kept, with the largest memory of each")
    func manySamples() {
        var samples = NodeSamples()
        let count = NodeSamples.samplesMax * 5
        for second in 0..<count {
            samples.note(self.sample(Double(second), cpu: Double(second), bytes: second == 1001 ? 9000 : 100))
        }
        let end = Int64(count - 100) * Self.second
        #expect(abs((samples.cpuSeconds(from: 0, to: end) ?? 0) - Double(count - 100)) < 1)
        #expect(samples.residentBytes(from: 990 * Self.second, to: 1020 * Self.second) == 9000)
        #expect(samples.residentBytes(from: 2000 * Self.second, to: 2100 * Self.second) == 100)
        #expect(samples.peakResidentBytes == 9000)
    }

    @Test("a node says who it is and what it takes")
    func metrics() throws {
        let text = """
            # TYPE trunkline_node_identity gauge
            trunkline_node_identity{node="edge-1",role="edge",version="0.1.0"} 1
            process_cpu_seconds_total 1.5
            process_start_time_seconds 1700000000.25
            process_resident_memory_bytes 59125760

            """
        var node = NodeSeries(name: "127.0.0.1:8201", address: "127.0.0.1:8201")
        node.identify(metrics: text)
        #expect(node.name == "edge-1")
        #expect(node.role == .edge)
        #expect(node.version == "0.1.0")
        let sample = try #require(NodeSamples.Sample(metrics: text, at: 7))
        #expect(
            sample
                == NodeSamples.Sample(time: 7, cpuSeconds: 1.5, residentBytes: 59_125_760, startedAt: 1_700_000_000.25)
        )
        #expect(NodeSamples.Sample(metrics: "<html>", at: 0) == nil)
        var stranger = NodeSeries(name: "a", address: "b")
        stranger.identify(metrics: "trunkline_node_identity{node=\"x\\\"y\",role=\"king\",} 1\n")
        #expect(stranger.name == "a")
        #expect(stranger.role == .unknown)
        #expect(MetricsText.labels(of: "a", in: "a{b=\"c\"") == ["b": "c"])
        #expect(MetricsText.labels(of: "a", in: "a{b=") == [:])
        #expect(MetricsText.labels(of: "a", in: "a 1") == nil)
    }

    @Test("costs are counted over whole intervals of the measured time, without the load generator")
    func costs() throws {
        var series = RunSeries()
        for tenth in 0..<100 { series.delivered(at: Int64(tenth) * 100_000_000, planned: 0) }
        var samples = NodeSamples()
        for second in -1...11 {
            samples.note(self.sample(Double(second), cpu: Double(second + 1) * 0.5, bytes: 1 << 20))
        }
        var edge = NodeSeries(name: "edge-1", address: "a")
        edge.role = .edge
        var generator = NodeSeries(name: "trunkline-load", address: "this process")
        generator.role = .generator
        let result = TimeSeries(
            series,
            warmUpSeconds: 1.5,
            plannedSeconds: 9.5,
            nodes: [(edge, samples), (generator, samples)]
        )
        let span = try #require(result.measured)
        #expect(span.start == 2 && span.end == 9)
        #expect(span.delivered == 70)
        let (cores, bytes) = ([Double?](repeating: 0.5, count: 10), [Int?](repeating: 1 << 20, count: 10))
        #expect(result.nodes[0].cores == cores)
        #expect(result.nodes[0].residentBytes == bytes)
        let cost = try #require(result.microsecondsPerDelivery)
        #expect(abs(cost - 3.5e6 / 70) < 1e-6)
        let short = TimeSeries(series, warmUpSeconds: 1.5, plannedSeconds: 1.9, nodes: [])
        #expect(short.measured == nil)
        #expect(short.microsecondsPerDelivery == nil)
    }

    @Test("a message that failed and was answered after all is not counted as failed")
    func failures() {
        var log = FailureLog()
        log[1] = "timed_out"
        log[2] = "timed_out"
        log[3] = "overloaded"
        log[2] = "overloaded"
        #expect(log.countByCode == ["timed_out": 1, "overloaded": 2])
        log[1] = nil
        log[9] = nil
        #expect(log.countByCode == ["overloaded": 2])
        #expect(log[3] == "overloaded")
    }
}
