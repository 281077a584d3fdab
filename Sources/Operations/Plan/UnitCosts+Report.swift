// SPDX-License-Identifier: Apache-2.0

import Foundation

extension UnitCosts {
    /// The parts of a report of `trunkline-load --json` that tell what something costs.
    private struct Report: Decodable {
        struct Interval: Decodable {
            var acknowledged: Int
            var start_seconds: Int
        }
        struct Span: Decodable {
            var delivered: Int
            var start_seconds: Int
            var end_seconds: Int
        }
        struct Node: Decodable {
            var role: String
            var measured_cpu_seconds: Double?
        }
        struct Series: Decodable {
            var intervals: [Interval]
            var measured_span: Span?
            var nodes: [Node]
        }
        struct Memory: Decodable {
            struct State: Decodable {
                var sessions: Int
                var resident_bytes: Int
            }
            var before: State
            var after: State
        }
        var format_version: Int
        var time_series: Series
        var session_memory: [Memory]?
    }

    /// The version of reports that this reads.
    private static let formatVersion = 1
    /// From so many deliveries of a message on, an edge's time is that of deliveries.
    private static let fanOutMin = 20.0

    /// Takes from a report what it tells: what a message costs routers; what a delivery costs edges when messages go to
    /// many, and what a message does when they go to few; memory of a session when it grew by sessions.
    ///
    /// - Parameter name: Of the file.
    /// - Throws: When it is no such report, or tells nothing of all this.
    package mutating func take(report bytes: [UInt8], named name: String) throws(OperationsError) {
        let report: Report
        do {
            report = try JSONDecoder().decode(Report.self, from: Data(bytes))
        } catch {
            throw OperationsError("\(name) is no report of trunkline-load", remedy: "give a file that its --json wrote")
        }
        guard report.format_version == Self.formatVersion else {
            throw OperationsError(
                "\(name) has format_version \(report.format_version), and this program reads \(Self.formatVersion)",
                remedy: "repeat the run with the trunkline-load of this version"
            )
        }
        let before = self
        self.takeProcessors(of: report.time_series, named: name)
        self.takeMemory(of: report.session_memory ?? [], named: name)
        guard self != before else {
            throw OperationsError(
                "\(name) does not tell what nodes took",
                remedy: "name edges with --edge and routers with --metrics, and let it run for some seconds"
            )
        }
    }

    private mutating func takeProcessors(of series: Report.Series, named name: String) {
        guard let span = series.measured_span, span.delivered > 0 else { return }
        let acknowledged = series.intervals
            .filter { $0.start_seconds >= span.start_seconds && $0.start_seconds < span.end_seconds }
            .reduce(0) { $0 + $1.acknowledged }
        guard acknowledged > 0 else { return }
        let messages = Double(acknowledged)
        let perMessage = Double(span.delivered) / messages
        if let seconds = Self.seconds(of: "router", in: series) {
            self.routerMessage = Figure(seconds * 1e6 / messages, "µs", "\(name): routers' time by messages")
        }
        guard let seconds = Self.seconds(of: "edge", in: series) else { return }
        if perMessage >= Self.fanOutMin {
            let cost = seconds * 1e6 / Double(span.delivered)
            self.edgeDelivery = Figure(
                cost,
                "µs",
                "\(name): edges' time by deliveries, \(Int(perMessage)) of a message"
            )
        } else {
            let others = perMessage * (self.edgeDelivery.value + self.edgeFrame.value)
            let cost = max(0, seconds * 1e6 / messages - others)
            self.edgeMessage = Figure(cost, "µs", "\(name): edges' time by messages, less their frames and deliveries")
        }
    }

    /// Of all nodes of a role; nil when one of them did not tell.
    private static func seconds(of role: String, in series: Report.Series) -> Double? {
        let nodes = series.nodes.filter { $0.role == role }
        let seconds = nodes.compactMap(\.measured_cpu_seconds)
        return !nodes.isEmpty && seconds.count == nodes.count ? seconds.reduce(0, +) : nil
    }

    private mutating func takeMemory(of edges: [Report.Memory], named name: String) {
        let sessions = edges.reduce(0) { $0 + $1.after.sessions - $1.before.sessions }
        let bytes = edges.reduce(0) { $0 + $1.after.resident_bytes - $1.before.resident_bytes }
        // Of a few, the growth is anything but theirs.
        guard sessions >= 1000, bytes > 0 else { return }
        self.edgeSessionMemory = Figure(Double(bytes) / Double(sessions), "bytes", "\(name): growth by sessions")
    }
}
