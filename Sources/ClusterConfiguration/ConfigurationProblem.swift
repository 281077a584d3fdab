// SPDX-License-Identifier: Apache-2.0

/// One thing that is wrong in `cluster.yaml`, the environment, the command line, or a secret.
package struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
    package enum Place: Sendable, Hashable {
        /// Line from 1.
        case line(Int)
        /// The environment variable that the value came from.
        case variable(String)
        /// The option of the command line.
        case option(String)
    }

    /// The path of the key, as in `nodes[2].http`; empty for the file as a whole.
    package var path: String
    package var place: Place?
    /// What is wrong.
    package var message: String
    /// What would be right.
    package var remedy: String

    package init(_ path: String, at place: Place? = nil, _ message: String, remedy: String) {
        self.path = path
        self.place = place
        self.message = message
        self.remedy = remedy
    }

    package var description: String {
        let place =
            switch self.place {
            case .line(let line): "line \(line): "
            case .variable(let name): "environment \(name): "
            case .option(let name): "\(name): "
            case nil: ""
            }
        return place + (self.path.isEmpty ? "" : "\(self.path): ") + "\(self.message); \(self.remedy)"
    }
}

/// Everything that is wrong, at once: never empty.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// The file that was read, for the person who mends it.
    package var file: String
    package var problems: [ConfigurationProblem]

    package init(file: String, problems: [ConfigurationProblem]) {
        self.file = file
        self.problems = problems
    }

    package var description: String {
        let count = self.problems.count == 1 ? "1 problem" : "\(self.problems.count) problems"
        return "\(self.file): \(count)\n" + self.problems.map { "  \($0)" }.joined(separator: "\n")
    }
}
