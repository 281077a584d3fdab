// SPDX-License-Identifier: Apache-2.0

/// One thing that `trunkline doctor` looks at. Pure: facts go in, a judgement comes out.
package struct DoctorCheck: Sendable {
    /// Stable, for programs: `shards.schema`.
    package let id: String
    /// What holds when all is well: one sentence without its stop.
    package let title: String
    /// What it is good for: why somebody should care.
    package let meaning: String
    let judge: @Sendable (DoctorFacts, inout DoctorJudgement) -> Void

    init(
        _ id: String,
        _ title: String,
        meaning: String,
        _ judge: @escaping @Sendable (DoctorFacts, inout DoctorJudgement) -> Void
    ) {
        self.id = id
        self.title = title
        self.meaning = meaning
        self.judge = judge
    }

    /// Every check, in the order in which a person mends things: what others depend on first.
    package static let all: [DoctorCheck] =
        Self.ofSecrets + Self.ofCertificates + Self.ofShards + Self.ofShardServers + Self.ofRedis + Self.ofClocks
        + Self.ofNodes + Self.ofMesh
        + Self.ofMachine
}

/// What one check makes of the facts.
struct DoctorJudgement {
    struct Problem {
        var level: DoctorFinding.Level
        var subject: String
        var message: String
        var remedy: String
    }

    private(set) var problems: [Problem] = []
    private(set) var statements: [(subject: String, message: String)] = []
    private(set) var unknown: [String] = []

    mutating func fails(_ subject: String, _ message: String, mend remedy: String) {
        self.problems.append(Problem(level: .fails, subject: subject, message: message, remedy: remedy))
    }

    mutating func warns(_ subject: String, _ message: String, mend remedy: String) {
        self.problems.append(Problem(level: .warning, subject: subject, message: message, remedy: remedy))
    }

    /// What is well and worth knowing.
    mutating func states(_ subject: String, _ message: String) {
        self.statements.append((subject, message))
    }

    /// What could not be looked at, and why.
    mutating func cannotTell(_ reason: String) {
        if !self.unknown.contains(reason) { self.unknown.append(reason) }
    }
}

/// One line of the doctor's report.
package struct DoctorFinding: Codable, Sendable, Equatable {
    package enum Level: String, Codable, Sendable, CaseIterable {
        case ok
        /// Worth a look; it works.
        case warning
        /// It does not work, or loses something one day.
        case fails
        /// It could not be looked at, because of something that fails.
        case unknown
    }

    package var check: String
    package var level: Level
    /// The shard, node or key that it is about; nil when it is about all.
    package var subject: String?
    package var message: String
    /// What to do; nil when there is nothing to do.
    package var remedy: String?
}

extension DoctorCheck {
    /// One finding for each problem and each statement, or one that says that there is no problem.
    func findings(_ facts: DoctorFacts) -> [DoctorFinding] {
        var judgement = DoctorJudgement()
        self.judge(facts, &judgement)
        let statements = judgement.statements.map { subject, message in
            DoctorFinding(check: self.id, level: .ok, subject: subject, message: message, remedy: nil)
        }
        if !judgement.problems.isEmpty {
            return judgement.problems.map { problem in
                DoctorFinding(
                    check: self.id,
                    level: problem.level,
                    subject: problem.subject,
                    message: problem.message,
                    remedy: problem.remedy
                )
            } + statements
        }
        guard statements.isEmpty else { return statements }
        if !judgement.unknown.isEmpty {
            let message = "not known: \(judgement.unknown.joined(separator: "; "))"
            return [DoctorFinding(check: self.id, level: .unknown, subject: nil, message: message, remedy: nil)]
        }
        return [DoctorFinding(check: self.id, level: .ok, subject: nil, message: self.title, remedy: nil)]
    }
}
