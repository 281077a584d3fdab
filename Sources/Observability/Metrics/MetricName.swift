// SPDX-License-Identifier: Apache-2.0

/// The rules for names: those of the Prometheus data model, and ours on top.
enum MetricName {
    /// `trunkline_<subsystem>_<name>_<unit>`; a counter ends in `_total`. No name ends in what a histogram adds to it.
    static func isValid(_ name: String, kind: MetricKind) -> Bool {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "trunkline", parts.allSatisfy(Self.isWord) else { return false }
        return Self.hasRightEnding(parts[parts.count - 1], kind)
    }

    /// The names that every exporter of a process uses (Prometheus client library guidelines, "Process metrics").
    static func isValidForProcess(_ name: String, kind: MetricKind) -> Bool {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "process", parts.allSatisfy(Self.isWord) else { return false }
        return Self.hasRightEnding(parts[parts.count - 1], kind)
    }

    /// Letters, digits and `_`; `le` is the histograms' own.
    static func isValidLabel(_ name: String) -> Bool {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        return parts.allSatisfy(Self.isWord) && name != "le"
    }

    private static func isWord(_ part: Substring) -> Bool {
        guard let first = part.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first else { return false }
        return part.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        }
    }

    private static func hasRightEnding(_ ending: Substring, _ kind: MetricKind) -> Bool {
        switch kind {
        case .counter: ending == "total"
        case .gauge, .histogram: !["total", "bucket", "sum", "count", "info"].contains(ending)
        }
    }
}
