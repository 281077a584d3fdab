// SPDX-License-Identifier: Apache-2.0

/// The report as one page of HTML that needs nothing else: no script, no font, no image from anywhere.
package struct ReportPage {
    let report: RunReport

    package static func html(of report: RunReport) -> String {
        var markup = Markup()
        ReportPage(report: report).write(into: &markup)
        return markup.text + "\n"
    }

    private func write(into markup: inout Markup) {
        markup.writeVerbatim("<!DOCTYPE html>\n")
        markup.element("html", ["lang": "en", "xmlns": "http://www.w3.org/1999/xhtml"]) { markup in
            markup.element("head") { markup in
                markup.empty("meta", ["charset": "utf-8"])
                markup.empty("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
                markup.element("title", self.title)
                markup.element("style") { $0.writeVerbatim(PageStyle.sheet) }
            }
            markup.element("body") { $0.element("main") { self.writeMain(into: &$0) } }
        }
    }

    private func writeMain(into markup: inout Markup) {
        self.writeHeader(into: &markup)
        self.writeSummary(into: &markup)
        if self.report.ramp != nil {
            self.section("Ramp", "ramp", into: &markup) { self.writeRamp(into: &$0) }
        }
        self.section("Latency", "latency", into: &markup) { self.write(self.latencyPlots, into: &$0) }
        self.section("Throughput", "throughput", into: &markup) { self.write(self.throughputPlots, into: &$0) }
        self.section("Nodes", "nodes", into: &markup) { markup in
            self.writeNodes(into: &markup)
            self.write(self.nodePlots, into: &markup)
        }
        self.section("How to read this", "notes", into: &markup) { self.writeNotes(into: &$0) }
    }

    func section(
        _ title: String,
        _ id: String,
        into markup: inout Markup,
        _ content: (inout Markup) -> Void
    ) {
        markup.element("section", ["aria-labelledby": "\(id)-heading"]) { markup in
            markup.element("h2", ["id": "\(id)-heading"], title)
            content(&markup)
        }
    }

    // MARK: - Head

    private var title: String {
        let settings = self.report.settings
        return "\(settings.scenario.rawValue), \(FigureText.trimmed(settings.messagesPerSecond)) messages/s: load run "
            + self.report.run
    }

    private func writeHeader(into markup: inout Markup) {
        markup.element("header") { markup in
            markup.element("h1", "Load run \(self.report.run)")
            markup.element("p", ["class": "soft"], self.subtitle)
            self.writeVerdict(into: &markup)
            if !self.report.commandLine.isEmpty {
                markup.element("pre", self.report.commandLine.map(Self.shellWord).joined(separator: " "))
            }
            markup.element("dl", ["class": "facts"]) { markup in
                for (name, value) in self.facts {
                    markup.element("div") { markup in
                        markup.element("dt", name)
                        markup.element("dd", value)
                    }
                }
            }
        }
    }

    private var subtitle: String {
        let settings = self.report.settings
        let rate = FigureText.trimmed(settings.messagesPerSecond)
        let senders = settings.senders < settings.groupSize ? ", \(settings.senders) of them sending" : ""
        let upTo = settings.scenario == .mixed ? "up to " : ""
        return "\(settings.scenario.rawValue): \(FigureText.count(settings.users)) users on \(settings.edges.count) "
            + "\(settings.edges.count == 1 ? "edge" : "edges"), \(FigureText.count(settings.conversations)) conversations "
            + "of \(upTo)\(FigureText.count(settings.groupSize))\(senders), "
            + (self.report.ramp == nil
                ? "\(rate) messages/s offered for " : "a ramp from \(rate) messages/s, each step ")
            + FigureText.span(settings.durationSeconds)
    }

    private var facts: [(String, String)] {
        let (settings, machine) = (self.report.settings, self.report.machine)
        let versions = Set(self.report.timeSeries.nodes.compactMap(\.version)).sorted()
        return [
            ("Started", self.report.startedAt),
            (
                "Measured time",
                "\(FigureText.span(settings.durationSeconds)), after \(FigureText.span(settings.warmUpSeconds)) of warm-up"
            ),
            ("Load generator", self.report.program),
            ("Nodes", versions.isEmpty ? "version not told" : "version \(versions.joined(separator: ", "))"),
            ("Machine", "\(machine.processor), \(machine.cores) \(machine.cores == 1 ? "core" : "cores")"),
            ("Memory", "\(FigureText.fixed(Double(machine.memoryMebibytes) / 1024, digits: 1)) GiB"),
            ("Kernel", machine.kernel),
            ("Edges", settings.edges.joined(separator: ", ")),
            ("Message body", "\(FigureText.count(settings.bodyBytes)) bytes"),
            ("Protocol", settings.subprotocol ?? "json"),
            ("Seed", String(settings.seed)),
            (
                "Event loops",
                "\(settings.eventLoops) in \((settings.processes ?? 1) == 1 ? "the load generator" : "each of \(settings.processes ?? 1) load generators")"
            ),
            (
                "Beside it",
                "setup \(FigureText.span(self.report.setupSeconds)), drain \(FigureText.span(self.report.drainSeconds)), "
                    + "audit \(FigureText.span(self.report.auditSeconds))"
            ),
        ]
    }

    /// As it can be given to a shell again.
    static func shellWord(_ word: String) -> String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+".unicodeScalars
        if !word.isEmpty, word.unicodeScalars.allSatisfy({ plain.contains($0) }) { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
