// SPDX-License-Identifier: Apache-2.0

/// `trunkline verbs` and `GET /admin`: the registry as people and programs read it. Pure.
package struct VerbListing: Encodable, Sendable, Equatable {
    package struct Option: Encodable, Sendable, Equatable {
        /// With its dashes; left out where the command line has none.
        var option: String?
        var value: String?
        /// In the query of a `GET`, in the body of a `POST`; left out where the admin interface takes none.
        var parameter: String?
        var summary: String
    }

    package struct Verb: Encodable, Sendable, Equatable {
        package var name: String
        var summary: String
        /// `read` or `operate`; left out of what concerns no cluster.
        var role: String?
        var changes: Bool
        /// Whether it can say what it would do.
        var hasDryRun: Bool
        /// Whether `trunkline` has a command of this name.
        var isCommand: Bool
        /// Of the admin interface; left out of what the command line does alone, which has a reason instead.
        var method: String?
        var path: String?
        var commandLineOnly: String?
        var arguments: [String]
        var options: [Option]
    }

    package var verbs: [Verb]

    package init(_ verbs: [OperatorVerb] = OperatorVerb.all) {
        self.verbs = verbs.map { verb in
            var listed = Verb(
                name: verb.name,
                summary: verb.summary,
                role: verb.role.map { "\($0)" },
                changes: verb.changes,
                hasDryRun: verb.hasDryRun,
                isCommand: verb.isCommand,
                arguments: verb.arguments,
                options: verb.options.map { option in
                    Option(
                        option: option.name.map { "--\($0)" },
                        value: option.value,
                        parameter: option.parameter,
                        summary: option.summary
                    )
                }
            )
            switch verb.answerer {
            case .routers(let method, let path):
                listed.method = method.rawValue
                listed.path = path
            case .commandLine(let reason):
                listed.commandLineOnly = reason
            }
            return listed
        }
    }

    package func text() -> String {
        var table = TextTable("VERB", "ROLE", "CHANGES", "DRY RUN", "ANSWERED BY", "WHAT IT DOES")
        for verb in self.verbs {
            let name = verb.isCommand ? verb.name : "(\(verb.name))"
            table.add(
                ([name] + verb.arguments).joined(separator: " "),
                verb.role ?? "-",
                verb.changes ? "yes" : "-",
                verb.hasDryRun ? "yes" : "-",
                verb.path.map { "\(verb.method ?? "") \($0)" } ?? "command line",
                verb.summary
            )
        }
        return table.text() + """


            ROLE is whose secret the admin interface asks for: secrets.admin_read or secrets.admin_operate.
            Verbs in brackets are parts of others and have no command. Paths are those of every router's http address.

            """
    }

    package func json() throws -> String { try JSONText.text(of: self) }
}
