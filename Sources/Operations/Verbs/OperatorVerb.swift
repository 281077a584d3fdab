// SPDX-License-Identifier: Apache-2.0

/// One command of an operator: what the command line, the admin interface and the documentation know of it.
///
/// ``all`` is the one list of them. The command line takes its summaries and the help of its options from it, the admin
/// interface its routes and who may use them, `trunkline verbs` and `GET /admin` show it. Tests compare it with the
/// commands that there are, with the routes that there are, and with the table in `README.md`.
package struct OperatorVerb: Sendable, Equatable {
    package enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
    }

    /// Who carries it out when it is asked for from elsewhere.
    package enum Answerer: Sendable, Equatable {
        /// Every router, on its admin interface. Words in capitals stand for what is named: `/admin/nodes/NODE`.
        case routers(Method, String)
        /// The command line alone; the reason, as the end of a sentence.
        case commandLine(String)
    }

    /// As on the command line without `trunkline`: `move status`. Of one that only the admin interface has, a name.
    package let name: String
    /// One sentence, without its stop where the command line shows it so.
    package let summary: String
    /// What the admin interface asks for; nil for what concerns no cluster, but this machine alone.
    package let role: AdminTokens.Role?
    package let answerer: Answerer
    /// What has to be named, in this order: `NODE`.
    package let arguments: [String]
    /// None are listed for commands that concern this machine alone: their `--help` tells them.
    package let options: [OperatorOption]
    /// Whether the command line has a command of this name; the others are parts of such.
    package let isCommand: Bool

    init(
        _ name: String,
        _ summary: String,
        _ role: AdminTokens.Role?,
        _ answerer: Answerer,
        arguments: [String] = [],
        options: [OperatorOption] = [],
        isCommand: Bool = true
    ) {
        self.name = name
        self.summary = summary
        self.role = role
        self.answerer = answerer
        self.arguments = arguments
        self.options = options
        self.isCommand = isCommand
    }

    /// Whether it changes anything in the cluster.
    package var changes: Bool { self.role == .operate }

    /// Whether it can say what it would do, and do nothing.
    package var hasDryRun: Bool {
        self.options.contains { option in
            option.name == OperatorOption.orderDryRun.name || option.parameter == OperatorOption.orderDryRun.parameter
        }
    }

    /// All of them, in the order in which they are shown.
    package static let all = Self.aboutNodes + Self.aboutMessages + Self.aboutShards + Self.aboutMachines

    package static func named(_ name: String) -> OperatorVerb? {
        Self.all.first { $0.name == name }
    }
}

extension OperatorVerb.Answerer {
    /// The pattern of the router: words in capitals become parameters.
    var pattern: String? {
        guard case .routers(_, let path) = self else { return nil }
        return path.split(separator: "/").map { Self.isParameter($0) ? ":\($0.lowercased())" : String($0) }
            .joined(separator: "/")
    }

    /// The parameters in its path: `NODE`.
    var parameters: [String] {
        guard case .routers(_, let path) = self else { return [] }
        return path.split(separator: "/").filter(Self.isParameter).map(String.init)
    }

    private static func isParameter(_ word: Substring) -> Bool {
        !word.isEmpty && word.allSatisfy { $0.isASCII && $0.isUppercase }
    }
}
