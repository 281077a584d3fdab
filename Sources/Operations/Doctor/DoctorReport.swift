// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation

/// What `trunkline doctor` says.
package struct DoctorReport: Codable, Sendable, Equatable {
    package var cluster: String
    package var findings: [DoctorFinding]

    package init(_ facts: DoctorFacts, checks: [DoctorCheck] = DoctorCheck.all) {
        self.cluster = facts.settings.cluster
        let configuration = DoctorFinding(
            check: Self.configurationCheck,
            level: .ok,
            subject: nil,
            message: Self.configurationTitle,
            remedy: nil
        )
        self.findings = [configuration] + checks.flatMap { $0.findings(facts) }
    }

    /// Of a configuration that cannot be read: nothing else can be looked at.
    package init(unreadable error: ConfigurationError) {
        self.cluster = ""
        self.findings = error.problems.map { problem in
            DoctorFinding(
                check: Self.configurationCheck,
                level: .fails,
                subject: problem.path.isEmpty ? error.file : problem.path,
                message: problem.message,
                remedy: problem.remedy
            )
        }
    }

    private static let configurationCheck = "configuration"
    private static let configurationTitle = "The configuration can be read and makes sense"

    package func count(_ level: DoctorFinding.Level) -> Int {
        self.findings.count { $0.level == level }
    }

    /// Whether nothing fails; warnings are allowed.
    package var isWell: Bool { self.count(.fails) == 0 }

    /// One line for each finding, what to do indented below, and a summary.
    package func text() -> String {
        let width = self.findings.map(\.check.count).max() ?? 0
        var lines: [String] = []
        for finding in self.findings {
            let check = finding.check.padding(toLength: width, withPad: " ", startingAt: 0)
            let subject = finding.subject.map { "\($0): " } ?? ""
            lines.append("\(Self.word(of: finding.level))  \(check)  \(subject)\(finding.message)")
            if let remedy = finding.remedy {
                lines.append(String(repeating: " ", count: 11 + width) + "mend: \(remedy)")
            }
        }
        return lines.joined(separator: "\n") + "\n\n" + self.summary + "\n"
    }

    package var summary: String {
        var parts = ["\(self.count(.ok)) ok"]
        let warnings = self.count(.warning)
        if warnings > 0 { parts.append(warnings == 1 ? "1 warning" : "\(warnings) warnings") }
        let failures = self.count(.fails)
        if failures > 0 { parts.append(failures == 1 ? "1 fails" : "\(failures) fail") }
        if self.count(.unknown) > 0 { parts.append("\(self.count(.unknown)) not known") }
        return (self.isWell ? "All is well: " : "Something is wrong: ") + parts.joined(separator: ", ") + "."
    }

    private static func word(of level: DoctorFinding.Level) -> String {
        switch level {
        case .ok: "ok     "
        case .warning: "warning"
        case .fails: "FAILS  "
        case .unknown: "unknown"
        }
    }

    private struct Document: Encodable {
        var cluster: String
        var isWell: Bool
        var counts: [String: Int]
        var findings: [DoctorFinding]
    }

    /// For programs. Names in snake case; a field that says nothing is left out.
    package func json() throws -> String {
        let document = Document(
            cluster: self.cluster,
            isWell: self.isWell,
            counts: Dictionary(
                uniqueKeysWithValues: DoctorFinding.Level.allCases.map { ($0.rawValue, self.count($0)) }
            ),
            findings: self.findings
        )
        return try JSONText.text(of: document)
    }

    /// What the checks are, for `--list`.
    package static func listing() -> String {
        DoctorCheck.all.map { "\($0.id)\n  \($0.title).\n  \($0.meaning)\n" }.joined(separator: "\n")
    }
}
