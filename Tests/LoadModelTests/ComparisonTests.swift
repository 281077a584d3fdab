// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("Comparing two load runs")
struct ComparisonTests {
    @Test("a report reads back as it was written")
    func roundTrip() throws {
        var report = SampleReport.make()
        report.audit.note(Violation(.lost, conversation: 1, seq: 2, "planted"))
        report.verdict = .violated
        let bytes = try report.json()
        let read = try RunReport(json: bytes)
        #expect(try read.json() == bytes)
        #expect(read.timeSeries == report.timeSeries)
        let text = String(decoding: bytes, as: UTF8.self)
        for key in [
            "\"format_version\" : 1", "\"p99_ms\"", "\"resident_bytes\"", "\"interval_seconds\"", "\"start_seconds\"",
        ] {
            #expect(text.contains(key), "\(key)")
        }
    }

    @Test("a file that is no report of this version is refused with what to do")
    func refused() throws {
        func refusal(_ text: String) -> String? {
            do throws(ReportFileError) {
                _ = try RunReport(json: Array(text.utf8))
                return nil
            } catch {
                return error.description
            }
        }
        #expect(refusal("")?.contains("damaged") == true)
        #expect(refusal("[]")?.contains("damaged") == true)
        #expect(refusal("{}")?.contains("no report of trunkline-load") == true)
        #expect(refusal("{\"run\": \"abc\"}")?.contains("an earlier trunkline-load wrote it") == true)
        #expect(refusal("{\"format_version\": 2}")?.contains("use a newer") == true)
        #expect(refusal("{\"format_version\": 0}")?.contains("repeat the run") == true)
        #expect(refusal("{\"format_version\": 1}")?.contains("is missing") == true)
        let whole = String(decoding: try SampleReport.make().json(), as: UTF8.self)
        #expect(refusal(whole) == nil)
        #expect(refusal(String(whole.dropLast(whole.count / 2)))?.contains("damaged") == true)
        let altered = whole.replacing("\"cores\" : 2", with: "\"cores\" : \"two\"")
        #expect(altered != whole)
        #expect(refusal(altered)?.contains("machine.cores is of another type") == true)
    }

    @Test("the same run twice: settings are the same, nothing is better or worse")
    func same() {
        let report = SampleReport.make()
        let comparison = Comparison(report, report)
        #expect(comparison.differences.isEmpty)
        #expect(comparison.isComparable)
        #expect(comparison.findings(percent: 0).isEmpty)
        let text = ComparisonTable.text(of: comparison, names: ("a.json", "b.json"))
        #expect(text.contains("settings and machine are the same"))
        #expect(!text.contains("NOT COMPARABLE"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("a slower run is worse by its percents, and only beyond what is allowed")
    func slower() throws {
        let fast = SampleReport.make { 10 + Double($0 % 10) }
        let slow = SampleReport.make { 15 + 1.5 * Double($0 % 10) }
        let comparison = Comparison(fast, slow)
        let median = try #require(comparison.figures.first { $0.name == "acknowledged p50" })
        #expect(abs(try #require(median.percent) - 50) < 1)
        #expect(median.better == .lower)
        let names = comparison.worse(thanPercent: 40).map(\.name)
        for name in ["acknowledged p50", "acknowledged p99", "delivered p50", "delivered p99"] {
            #expect(names.contains(name), "\(name)")
        }
        #expect(!names.contains("acknowledged max"), "a single event is not judged")
        #expect(comparison.worse(thanPercent: 60).isEmpty)
        #expect(Comparison(slow, fast).worse(thanPercent: 0).isEmpty)
        let text = ComparisonTable.text(of: comparison, names: ("a.json", "b.json"))
        #expect(text.contains("+50.0 %"), "\(text)")
    }

    @Test("what was nothing and is something is worse, however much is allowed; what is gone is said")
    func fromNothing() {
        let before = SampleReport.make()
        var after = SampleReport.make(nodes: 0)
        after.counts.failed = ["timed_out": 1]
        let findings = Comparison(before, after).findings(percent: 1e9)
        #expect(findings.count == 2, "\(findings)")
        #expect(findings.first?.contains("messages failed: 0 to 1") == true)
        #expect(findings.last?.contains("CPU per delivery, watched nodes: B does not have it") == true)
        #expect(ComparisonTable.text(ofPercent: .infinity) == "from 0")
        #expect(ComparisonTable.text(ofPercent: -12.34) == "-12.3 %")
        #expect(ComparisonTable.text(ofPercent: nil) == FigureText.none)
    }

    @Test("a lower rate is worse, a higher one better")
    func rates() {
        let one = SampleReport.make(messagesPerSecond: 100, nodes: 0)
        let comparison = Comparison(one, SampleReport.make(messagesPerSecond: 50, nodes: 0))
        #expect(comparison.worse(thanPercent: 40).map(\.name) == ["acknowledged per second", "delivered per second"])
        #expect(!comparison.isComparable, "another rate was offered")
    }

    @Test("other settings are named, and whether they forbid a comparison")
    func differences() {
        let one = SampleReport.make()
        var other = one
        other.settings.seed = 7
        other.program = "trunkline-load 9.9.9"
        #expect(Comparison(one, other).isComparable)
        #expect(Comparison(one, other).differences.map(\.name) == ["seed", "load generator"])
        other.settings.users = 41
        other.machine.cores = 64
        let comparison = Comparison(one, other)
        #expect(!comparison.isComparable)
        let text = ComparisonTable.text(of: comparison, names: ("a.json", "b.json"))
        #expect(text.contains("NOT COMPARABLE in these respects"))
        #expect(text.contains("A: 40") && text.contains("B: 41"))
        #expect(text.contains("also different:"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }
}
