// SPDX-License-Identifier: Apache-2.0

import TestSupport

/// What `wstest -m fuzzingclient` found about one server: the file `index.json` of its report.
struct AutobahnReport {
    struct Case {
        /// As in "7.5.1".
        var number: String
        /// How the messages went: OK, NON-STRICT, INFORMATIONAL, UNIMPLEMENTED, FAILED and some more.
        var behavior: String
        /// How the connection ended.
        var behaviorClose: String
        /// The code in the server's close frame.
        var closeCode: Int64?
    }

    var cases: [Case]

    init(json: [UInt8]) throws {
        guard case .object(let servers) = try JSONValue(json: json), case .object(let found)? = servers.values.first
        else { throw TestCluster.Failure(description: "the report has no server in it") }
        self.cases = found.map { number, result in
            Case(
                number: number,
                behavior: result["behavior"]?.string ?? "?",
                behaviorClose: result["behaviorClose"]?.string ?? "?",
                closeCode: result["remoteCloseCode"]?.integer
            )
        }
        .sorted { Self.order($0.number).lexicographicallyPrecedes(Self.order($1.number)) }
    }

    private static func order(_ number: String) -> [Int] {
        number.split(separator: ".").map { Int($0) ?? 0 }
    }

    /// What counts: neither the messages nor the end of the connection were as the standard has them.
    static func isFailure(_ found: Case) -> Bool {
        switch found.behavior {
        case "OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED": break
        default: return true
        }
        switch found.behaviorClose {
        case "OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED": return false
        default: return true
        }
    }

    /// The table: behaviours, how many cases, which.
    static func table(_ groups: [(name: String, cases: [Case])]) -> String {
        groups.map { name, cases in
            let numbers = Set(cases.map { $0.number.split(separator: ".").prefix(2).joined(separator: ".") })
                .sorted { Self.order($0).lexicographicallyPrecedes(Self.order($1)) }
            return "\(name): \(cases.count) cases, in \(numbers.joined(separator: " "))"
        }
        .joined(separator: "\n")
    }
}
