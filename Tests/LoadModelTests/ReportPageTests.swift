// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LoadModel

@Suite("The page of a load run")
struct ReportPageTests {
    private static let plots = [
        "acknowledgement", "delivery", "percentiles", "histogram", "messages", "deliveries", "cost", "processor",
        "memory",
    ]

    @Test("it is well-formed, needs nothing from elsewhere, and has every plot with its table")
    func page() {
        let page = ReportPage.html(of: SampleReport.make())
        let read = WellFormedness(page)
        #expect(read.error == nil)
        #expect(page.hasPrefix("<!DOCTYPE html>"))
        #expect(read.named("script").isEmpty)
        #expect(read.named("link").isEmpty && read.named("img").isEmpty && read.named("iframe").isEmpty)
        #expect(!page.contains("url(") && !page.contains("@import"))
        let links = read.elements.flatMap { $0.attributes }.filter { ["src", "href"].contains($0.key) }
        #expect(links.isEmpty)
        #expect(read.named("figure").count == Self.plots.count)
        #expect(read.named("details").count == Self.plots.count)
        let pictures = read.named("svg").filter { $0.attributes["role"] == "img" }
        #expect(pictures.count == 2 * Self.plots.count)
        for text in [
            "Latency (ms, log scale)", "Percentile (%, scale by nines)", "Rate (1/s)", "CPU per delivery (µs)",
            "Resident memory (MiB)", "Time since the start of the sending (s)", "No coordinated omission",
            "never averaged", "warm-up",
        ] {
            #expect(read.text.contains(text), "\(text)")
        }
    }

    @Test("every id is there once, and what is named by an id exists")
    func ids() {
        let read = WellFormedness(ReportPage.html(of: SampleReport.make()))
        let ids = read.elements.compactMap { $0.attributes["id"] }
        #expect(Set(ids).count == ids.count)
        for element in read.elements {
            for id in (element.attributes["aria-labelledby"] ?? "").split(separator: " ") {
                #expect(ids.contains(String(id)), "\(id)")
            }
        }
    }

    @Test("whatever stands in a report, it does not become markup")
    func hostile() {
        let hostile = "</style><script>alert('1')</script>&amp;\"\u{0}\u{1B}[2J\u{FFFF}]]>-->"
        var report = SampleReport.make()
        report.run = hostile
        report.startedAt = hostile
        report.program = hostile
        report.commandLine = ["trunkline-load", hostile]
        report.machine.processor = hostile
        report.machine.kernel = hostile
        report.settings.edges = [hostile]
        report.counts.failed = [hostile: 3]
        report.returns.errors = [hostile: 1]
        report.returns.firstMessages = [hostile: hostile]
        report.timeSeries.nodes[0].name = hostile
        report.timeSeries.nodes[0].version = hostile
        report.audit.note(Violation(.lost, conversation: 1, seq: 2, user: 3, hostile))
        report.verdict = .violated
        let page = ReportPage.html(of: report)
        let read = WellFormedness(page)
        #expect(read.error == nil)
        #expect(read.named("script").isEmpty)
        #expect(read.named("style").count == 1)
        #expect(!page.unicodeScalars.contains("\u{1B}") && !page.unicodeScalars.contains("\u{0}"))
        #expect(read.text.contains("</style><script>alert('1')</script>&amp;\""))
    }

    @Test("a run without anything, one of a second, one of a message: every number is a number")
    func small() {
        var reports = [RunReport(), SampleReport.make(seconds: 1, warmUpSeconds: 0), SampleReport.make(nodes: 0)]
        reports.append(SampleReport.make(seconds: 1, warmUpSeconds: 1))
        reports.append(SampleReport.make(seconds: 1, warmUpSeconds: 0, messagesPerSecond: 1, nodes: 1))
        reports.append(SampleReport.make(seconds: 3, messagesPerSecond: 10, nodes: 20))
        reports.append(SampleReport.make(latency: { _ in 0 }))
        reports.append(SampleReport.make(seconds: 4000, messagesPerSecond: 1))
        var restarted = SampleReport.make()
        restarted.timeSeries.nodes[0].cores = [nil, 1, nil]
        restarted.timeSeries.nodes[0].measuredCPUSeconds = nil
        reports.append(restarted)
        for (number, report) in reports.enumerated() {
            let page = ReportPage.html(of: report)
            let read = WellFormedness(page)
            #expect(read.error == nil, "report \(number)")
            #expect(!read.text.contains("nan") && !read.text.contains("inf "), "report \(number)")
            for element in read.elements {
                for (key, value) in element.attributes
                where ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"].contains(key) {
                    let number = Double(value)
                    #expect(number?.isFinite == true && number ?? -1 >= 0, "\(element)")
                }
            }
        }
    }

    @Test("each verdict is told in words, with its exit code")
    func verdicts() {
        let heads: [Verdict: String] = [
            .held: "The audit held", .violated: "The audit found 1 violations", .belowPlan: "the plan was not reached",
            .stormFailed: "the storm was not weathered", .setupFailed: "did not come about",
        ]
        for (verdict, head) in heads {
            var report = SampleReport.make()
            report.verdict = verdict
            if verdict == .violated { report.audit.note(Violation(.gap, conversation: 1, seq: 2, "planted")) }
            let text = WellFormedness(ReportPage.html(of: report)).text
            #expect(text.contains(head))
            #expect(text.contains("Exit code \(verdict.rawValue)."))
        }
    }

    @Test("the cut interval at the end of the plan is not drawn, the time after a long drain is")
    func shownIntervals() {
        var report = SampleReport.make(seconds: 12)
        report.settings.durationSeconds = 9.5
        #expect(ReportPage(report: report).shownIntervals.count == 11)
        report.drainSeconds = 5
        #expect(ReportPage(report: report).shownIntervals.count == 12)
        #expect(ReportPage(report: report).throughputPlots[0].bands.map(\.label) == ["warm-up", "after the plan"])
    }

    @Test("what nodes took that did not answer is not taken for nothing")
    func silentNodes() {
        var report = SampleReport.make { _ in 1 }
        #expect(!WellFormedness(ReportPage.html(of: report)).text.contains("≥"))
        report.timeSeries.nodes[0].measuredCPUSeconds = nil
        let text = WellFormedness(ReportPage.html(of: report)).text
        #expect(text.contains("≥ 4,000"), "node 1 alone: two tenths of a core for 50 deliveries a second")
        #expect(text.contains("1 of 2 nodes did not answer all the time"))
    }

    @Test("the command line can be given to a shell again")
    func shellWords() {
        #expect(ReportPage.shellWord("--rate=5") == "--rate=5")
        #expect(ReportPage.shellWord("") == "''")
        #expect(ReportPage.shellWord("a b") == "'a b'")
        #expect(ReportPage.shellWord("it's $HOME") == "'it'\\''s $HOME'")
    }
}
