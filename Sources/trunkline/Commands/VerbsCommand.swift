// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

struct VerbsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verbs",
        abstract: OperatorVerb.verbs.summary,
        discussion: """
            The same list as `GET /admin` of every router. What is answered there takes the secret of the verb's role as a \
            bearer token and answers with JSON; what the command line does alone says why.

            Examples:
              trunkline verbs
              trunkline verbs --json | jq -r '.verbs[] | select(.path) | "\\(.method) \\(.path)"'
              curl -s -H "Authorization: Bearer $SECRET" http://127.0.0.1:8101/admin/status | jq -r '.warnings[]'
            """
    )

    @OptionGroup var shared: SharedOptions

    @Flag(help: ArgumentHelp(.json))
    var json = false

    func run() throws {
        let listing = VerbListing()
        print(self.json ? try listing.json() : listing.text(), terminator: "")
    }
}
