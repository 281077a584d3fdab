// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Observability

@Suite("Metrics")
struct MetricsTests {
    @Test("Counters, gauges and histograms are shown with help, type and labels")
    func rendering() throws {
        let registry = MetricsRegistry()
        let text = registry.counter(
            "trunkline_edge_messages_total",
            help: "Messages \\ of\nclients.",
            labels: ["kind": "text"]
        )
        let image = registry.counter(
            "trunkline_edge_messages_total",
            help: "Messages \\ of\nclients.",
            labels: ["kind": "a \"b\"\\\n\u{e9}"]
        )
        let sessions = registry.gauge("trunkline_edge_sessions", help: "Open sessions.")
        let latency = registry.histogram("trunkline_edge_ack_seconds", help: "Time.", labels: ["shard": "a"])
        text.increment()
        text.increment(by: 41)
        image.increment()
        sessions.set(5)
        sessions.add(-7)
        latency.observe(.microseconds(100))
        latency.observe(.microseconds(101))
        latency.observe(.seconds(3600))

        let parsed = try ExpositionParser(registry.render())
        #expect(parsed.types["trunkline_edge_messages_total"] == "counter")
        #expect(parsed.types["trunkline_edge_sessions"] == "gauge")
        #expect(parsed.types["trunkline_edge_ack_seconds"] == "histogram")
        #expect(parsed.help["trunkline_edge_messages_total"] == "Messages \\\\ of\\nclients.")
        #expect(parsed.value("trunkline_edge_messages_total", ["kind": "text"]) == 42)
        #expect(parsed.value("trunkline_edge_messages_total", ["kind": "a \"b\"\\\n\u{e9}"]) == 1)
        #expect(parsed.value("trunkline_edge_sessions") == -2)
        let bucket = "trunkline_edge_ack_seconds_bucket"
        #expect(parsed.value(bucket, ["shard": "a", "le": "0.0001"]) == 1)
        #expect(parsed.value(bucket, ["shard": "a", "le": "0.0002"]) == 2)
        #expect(parsed.value(bucket, ["shard": "a", "le": "52.4288"]) == 2)
        #expect(parsed.value(bucket, ["shard": "a", "le": "+Inf"]) == 3)
        #expect(parsed.value("trunkline_edge_ack_seconds_count", ["shard": "a"]) == 3)
        let sum = try #require(parsed.value("trunkline_edge_ack_seconds_sum", ["shard": "a"]))
        #expect(abs(sum - 3600.000201) < 1e-6)
    }

    @Test(
        "A value falls into the first bucket whose bound is not below it",
        arguments: [
            HistogramScale.seconds, .items, .bytes,
        ]
    )
    func buckets(scale: HistogramScale) {
        let bounds = (0..<scale.boundCount).map { scale.firstBound << UInt64($0) }
        for (index, bound) in bounds.enumerated() {
            #expect(scale.bucket(of: bound) == index)
            #expect(scale.bucket(of: bound + 1) == index + 1)
        }
        #expect(scale.bucket(of: 0) == 0)
        #expect(scale.bucket(of: .max) == scale.boundCount)
        #expect(scale.bound(0) * scale.unitsPerExposed == Double(scale.firstBound))
    }

    @Test("Durations that no clock should give are counted, not trapped on")
    func oddDurations() {
        let histogram = Histogram(scale: .seconds)
        histogram.observe(.seconds(-5))
        histogram.observe(.milliseconds(-1))
        histogram.observe(.zero)
        histogram.observe(.seconds(Int64.max))
        #expect(histogram.snapshot().counts.first == 3)
        #expect(histogram.snapshot().counts.last == 1)
        #expect(histogram.count == 4)
    }

    @Test("Nothing is lost when many threads count at once")
    func concurrency() throws {
        let registry = MetricsRegistry()
        let counter = registry.counter("trunkline_test_events_total", help: "Events.")
        let gauge = registry.gauge("trunkline_test_depth", help: "Depth.")
        let histogram = registry.histogram("trunkline_test_batch_items", help: "Batches.", scale: .items)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for value in 0..<5000 {
                counter.increment()
                gauge.add(thread % 2 == 0 ? 1 : -1)
                histogram.observe(UInt64(value % 100))
                if value % 1000 == 0 { _ = registry.render() }
            }
        }
        #expect(counter.value == 40_000)
        #expect(gauge.value == 0)
        #expect(histogram.count == 40_000)
        let parsed = try ExpositionParser(registry.render())
        #expect(parsed.value("trunkline_test_batch_items_sum") == Double(8 * 50 * 4950))
    }

    @Test("Collected values are read at scrape time and may change their labels")
    func collectors() throws {
        let registry = MetricsRegistry()
        let depth = registry.declare(.gauge, "trunkline_mesh_queue_bytes", help: "Waiting.", labels: ["peer", "lane"])
        let ratio = registry.declare(.gauge, "trunkline_mesh_compression_ratio", help: "Ratio.")
        let scrapes = registry.counter("trunkline_test_scrapes_total", help: "Scrapes.")
        registry.collect { sink in
            scrapes.increment()
            sink.record(depth, 10 * Int(scrapes.value), ["router-\(scrapes.value)", "bulk"])
            sink.record(depth, 1, ["router-1", "control"])
            sink.record(depth, 99, ["router-1", "control"])
            sink.record(ratio, scrapes.value == 1 ? 0.625 : Double.nan)
        }
        let first = try ExpositionParser(registry.render())
        #expect(first.value("trunkline_mesh_queue_bytes", ["peer": "router-1", "lane": "bulk"]) == 10)
        #expect(first.value("trunkline_mesh_queue_bytes", ["peer": "router-1", "lane": "control"]) == 1)
        #expect(first.value("trunkline_mesh_compression_ratio") == 0.625)
        // The repeated value was dropped and counted.
        #expect(first.value("trunkline_metrics_samples_dropped_total") == 1)
        let second = try ExpositionParser(registry.render())
        #expect(second.value("trunkline_mesh_queue_bytes", ["peer": "router-2", "lane": "bulk"]) == 20)
        #expect(second.value("trunkline_mesh_queue_bytes", ["peer": "router-1", "lane": "bulk"]) == nil)
        #expect(try #require(second.value("trunkline_mesh_compression_ratio")).isNaN)
    }

    @Test("Samples beyond the bound are dropped and counted")
    func collectedBound() throws {
        let registry = MetricsRegistry()
        let metric = registry.declare(.gauge, "trunkline_test_many_items", help: "Many.", labels: ["index"])
        registry.collect { sink in
            for index in 0..<(MetricsRegistry.collectedSamplesMax + 5) { sink.record(metric, index, ["\(index)"]) }
        }
        let text = registry.render()
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("trunkline_test_many_items{") }.count == 20_000)
        #expect(text.contains("trunkline_metrics_samples_dropped_total 5\n"))
    }

    @Test(
        "Numbers are written as Prometheus reads them",
        arguments: [
            (0.0, "0"), (-3, "-3"), (0.1, "0.1"), (1e21, "1e+21"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.nan, "NaN"),
            (1_700_000_000.25, "1700000000.25"),
        ] as [(Double, String)]
    )
    func numbers(value: Double, text: String) {
        #expect(Exposition.number(value) == text)
    }

    @Test(
        "Names follow the rules",
        arguments: [
            ("trunkline_edge_messages_total", MetricKind.counter, true), ("trunkline_edge_sessions", .gauge, true),
            ("trunkline_edge_ack_seconds", .histogram, true), ("trunkline_edge_http2_bytes", .gauge, true),
            ("trunkline_edge_messages", .counter, false), ("trunkline_edge_total", .gauge, false),
            ("trunkline_edge_ack_bucket", .histogram, false), ("trunkline_edge_ack_count", .gauge, false),
            ("trunkline_sessions", .gauge, false), ("edge_sessions_open", .gauge, false),
            ("trunkline_edge__sessions", .gauge, false), ("trunkline_Edge_sessions", .gauge, false),
            ("trunkline_edge_sessions_", .gauge, false), ("trunkline_edge-sessions_open", .gauge, false),
            ("", .gauge, false),
            ("trunkline_edge_2sessions", .gauge, false), ("trunkline_edge_größe", .gauge, false),
        ] as [(String, MetricKind, Bool)]
    )
    func names(name: String, kind: MetricKind, isValid: Bool) {
        #expect(MetricName.isValid(name, kind: kind) == isValid)
    }

    @Test("Names of labels follow the rules")
    func labelNames() {
        for name in ["peer", "lane", "le2", "from_node"] { #expect(MetricName.isValidLabel(name)) }
        for name in ["", "le", "__name__", "Peer", "a-b", "2nd", "a b"] { #expect(!MetricName.isValidLabel(name)) }
    }

    @Test("A wrong name stops the process")
    func wrongName() async {
        await #expect(processExitsWith: .failure) {
            _ = MetricsRegistry().counter("messages", help: "Messages.")
        }
    }

    @Test("A metric registered twice stops the process")
    func duplicate() async {
        await #expect(processExitsWith: .failure) {
            let registry = MetricsRegistry()
            _ = registry.gauge("trunkline_edge_sessions", help: "Sessions.", labels: ["loop": "1"])
            _ = registry.gauge("trunkline_edge_sessions", help: "Sessions.", labels: ["loop": "1"])
        }
    }

    @Test("The same name with other labels does not")
    func sameName() async {
        await #expect(processExitsWith: .success) {
            let registry = MetricsRegistry()
            _ = registry.gauge("trunkline_edge_sessions", help: "Sessions.", labels: ["loop": "1"])
            _ = registry.gauge("trunkline_edge_sessions", help: "Sessions.", labels: ["loop": "2"])
        }
    }
}

@Suite("Metrics of the process")
struct ProcessMetricsTests {
    @Test("They are what the kernel says")
    func real() throws {
        let before = try #require(ProcessMetrics.read())
        #expect(before.residentBytes > 1 << 20)
        #expect(before.virtualBytes >= before.residentBytes)
        #expect(before.openDescriptorsMax >= before.openDescriptors)
        let now = Date().timeIntervalSince1970
        #expect(before.startTimeSeconds < now + 2)
        #expect(before.startTimeSeconds > now - 3600 * 24)

        let registry = MetricsRegistry()
        registry.collectProcessMetrics()
        let parsed = try ExpositionParser(registry.render())
        #expect(parsed.types["process_cpu_seconds_total"] == "counter")
        #expect(try #require(parsed.value("process_cpu_seconds_total")) >= before.cpuSeconds)
        #expect(try #require(parsed.value("process_open_fds")) > 2)
        #expect(parsed.value("process_start_time_seconds") == before.startTimeSeconds)
        #expect(try #require(parsed.value("process_resident_memory_bytes")) > 1_048_576)
    }

    @Test("An opened file is one descriptor more")
    func descriptors() throws {
        // Other tests open descriptors too; many more of our own than they can have stand out.
        let before = try #require(ProcessMetrics.read()).openDescriptors
        let opened = (0..<200).map { _ in open("/dev/null", O_RDONLY) }
        defer { opened.forEach { close($0) } }
        #expect(opened.allSatisfy { $0 >= 0 })
        #expect(try #require(ProcessMetrics.read()).openDescriptors > before + 150)
    }

    @Test("A program's name with spaces and brackets does not shift the fields")
    func programName() throws {
        let stat =
            "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 9 0 1000 8192000 500 18446744073709551615 0"
        let metrics = try #require(Self.parse(stat, "cpu 1 2\nbtime 1700000000\nprocesses 3\n"))
        #expect(metrics.cpuSeconds == 2)
        #expect(metrics.startTimeSeconds == 1_700_000_010)
        #expect(metrics.residentBytes == 500 * 4096)
        #expect(metrics.virtualBytes == 8_192_000)
    }

    @Test("What does not look like the kernel's files is no answer")
    func garbage() {
        #expect(Self.parse("", "btime 1") == nil)
        #expect(Self.parse("1 (a) S 1 2 3", "btime 1") == nil)
        #expect(Self.parse("no bracket", "") == nil)
    }

    private static func parse(_ stat: String, _ systemStat: String) -> ProcessMetrics? {
        ProcessMetrics(
            stat: stat,
            systemStat: systemStat,
            ticksPerSecond: 100,
            pageBytes: 4096,
            openDescriptors: 1,
            openDescriptorsMax: 2
        )
    }
}

@Suite("The exposition as Prometheus' own tool sees it")
struct PromtoolTests {
    private static let tool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test("promtool has no complaint", .enabled(if: Self.tool != nil, "promtool is not installed"))
    func promtool() throws {
        let registry = MetricsRegistry()
        registry.collectProcessMetrics()
        registry.collectLogMetrics()
        registry.counter("trunkline_edge_messages_total", help: "Messages.", labels: ["kind": "a\"\\\nb"]).increment()
        registry.histogram("trunkline_edge_ack_seconds", help: "Acknowledged.").observe(.milliseconds(3))
        let batch = registry.histogram("trunkline_router_batch_items", help: "Batch.", scale: .items)
        batch.observe(17)

        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.tool))
        process.arguments = ["check", "metrics"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(registry.render().utf8))
        try input.fileHandleForWriting.close()
        let complaints = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(complaints)")
        #expect(complaints.isEmpty, "\(complaints)")
    }
}
