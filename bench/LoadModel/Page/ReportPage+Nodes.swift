// SPDX-License-Identifier: Apache-2.0

extension ReportPage {
    var nodePlots: [Plot] {
        guard !self.series.nodes.isEmpty else { return [] }
        return [self.costPlot, self.processorPlot, self.memoryPlot]
    }

    /// As many nodes as can be told apart beside the line for all of them: those that took most. A node has one style
    /// in all plots.
    private var shownNodes: [(node: NodeSeries, style: Int)] {
        func cost(_ place: Int) -> Double { self.series.nodes[place].measuredCPUSeconds ?? 0 }
        let places = self.series.nodes.indices.sorted { cost($0) > cost($1) }.prefix(PageStyle.lineStyles - 1).sorted()
        return places.enumerated().map { (self.series.nodes[$0.element], $0.offset) }
    }

    private func caption(_ text: String, of shown: Int, _ all: Int) -> String {
        shown < all ? "\(text) The \(shown) nodes that took most processor time of \(all)." : text
    }

    private func axis(_ name: String, _ unit: String, _ lines: [Line]) -> Plot.Axis {
        Plot.Axis(name: name, unit: unit, scale: .linear(self.values(of: lines)))
    }

    private var costPlot: Plot {
        let all = self.series.clusterNodes
        let nodes = self.shownNodes.filter { $0.node.role != .generator }
        let width = Double(self.series.intervalSeconds)
        func cost(_ node: NodeSeries, _ place: Int) -> Double? {
            let delivered = self.series.intervals[place].delivered
            guard delivered > 0, place < node.cores.count else { return nil }
            return node.cores[place].map { $0 * width * 1e6 / Double(delivered) }
        }
        let total = Line(name: "all watched nodes", style: PageStyle.lineStyles - 1) { place in
            let costs = all.compactMap { cost($0, place) }
            return costs.isEmpty || costs.count < all.count ? nil : costs.reduce(0, +)
        }
        let lines =
            [total]
            + nodes.map { node, style in Line(name: node.name, style: style) { cost(node, $0) } }
        return self.plot(
            "cost",
            "CPU per delivery over time",
            self.caption(
                "Processor time of a node divided by the deliveries of the whole cluster in the interval. "
                    + "All nodes are summed up while all of them answer.",
                of: nodes.count,
                all.count
            ),
            // Where hardly anything arrives, a delivery costs what the node takes at rest.
            y: Plot.Axis(name: "CPU per delivery", unit: "µs", scale: .fitting(self.values(of: lines))),
            lines
        )
    }

    private var processorPlot: Plot {
        let nodes = self.shownNodes
        let lines = nodes.map { node, style in
            Line(name: node.name, style: style) { place in
                place < node.cores.count ? node.cores[place].map { $0 * 100 } : nil
            }
        }
        return self.plot(
            "processor",
            "CPU over time",
            self.caption(
                "100 % is one core; the machine of the load generator has \(self.report.machine.cores).",
                of: nodes.count,
                self.series.nodes.count
            ),
            y: self.axis("CPU", "% of a core", lines),
            lines
        )
    }

    private var memoryPlot: Plot {
        let nodes = self.shownNodes
        let lines = nodes.map { node, style in
            Line(name: node.name, style: style) { place in
                guard place < node.residentBytes.count else { return nil }
                return node.residentBytes[place].map { Double($0) / 1_048_576 }
            }
        }
        return self.plot(
            "memory",
            "Resident memory over time",
            self.caption("The largest value that was told in the interval.", of: nodes.count, self.series.nodes.count),
            y: self.axis("Resident memory", "MiB", lines),
            lines,
            format: { FigureText.fixed($0, digits: 1) }
        )
    }
}
