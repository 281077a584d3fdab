// SPDX-License-Identifier: Apache-2.0

/// Names and values of labels, in the order of the names.
struct Labels: Sendable, Equatable {
    let names: [String]
    let values: [String]

    init(_ pairs: [(String, String)] = []) {
        self.names = pairs.map(\.0)
        self.values = pairs.map(\.1)
    }

    init(names: [String], values: [String]) {
        self.names = names
        self.values = values
    }
}

/// The Prometheus text format, version 0.0.4 (prometheus.io, "Exposition formats").
enum Exposition {
    static func render(families: [MetricsRegistry.Family], collected: [String: [MetricsSink.Sample]]) -> String {
        var text = ""
        for family in families {
            text +=
                "# HELP \(family.name) \(Self.escapeHelp(family.help))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
            if let names = family.collectedLabels {
                for sample in collected[family.name] ?? [] {
                    let labels = Labels(names: names, values: sample.labelValues)
                    Self.append(family.name, labels, Self.number(sample.value), to: &text)
                }
            }
            for series in family.series {
                switch series.instrument {
                case .counter(let counter): Self.append(family.name, series.labels, "\(counter.value)", to: &text)
                case .gauge(let gauge): Self.append(family.name, series.labels, "\(gauge.value)", to: &text)
                case .histogram(let histogram): Self.append(histogram, family.name, series.labels, to: &text)
                }
            }
        }
        return text
    }

    private static func append(_ histogram: Histogram, _ name: String, _ labels: Labels, to text: inout String) {
        let (counts, sum) = histogram.snapshot()
        var cumulative: UInt64 = 0
        for (index, count) in counts.enumerated() {
            cumulative &+= count
            let bound = index < histogram.scale.boundCount ? Self.number(histogram.scale.bound(index)) : "+Inf"
            let withBound = Labels(names: labels.names + ["le"], values: labels.values + [bound])
            Self.append(name + "_bucket", withBound, "\(cumulative)", to: &text)
        }
        Self.append(name + "_sum", labels, Self.number(sum), to: &text)
        Self.append(name + "_count", labels, "\(cumulative)", to: &text)
    }

    private static func append(_ name: String, _ labels: Labels, _ value: String, to text: inout String) {
        text += name
        if !labels.names.isEmpty {
            let pairs = zip(labels.names, labels.values).map { "\($0)=\"\(Self.escapeLabel($1))\"" }
            text += "{" + pairs.joined(separator: ",") + "}"
        }
        text += " " + value + "\n"
    }

    /// A whole number without a fraction, anything else as short as it is exact.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return "\(whole)" }
        return "\(value)"
    }

    private static func escapeHelp(_ text: String) -> String {
        Self.escape(text, quotes: false)
    }

    private static func escapeLabel(_ text: String) -> String {
        Self.escape(text, quotes: true)
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
