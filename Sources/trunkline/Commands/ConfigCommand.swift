// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Check and show the configuration.",
        subcommands: [Check.self, Show.self, Reference.self]
    )

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.configCheck.summary,
            discussion: """
                All problems are told at once, each with the path of its key and what would be right. Nothing is \
                connected to.

                Examples:
                  trunkline config check
                  trunkline config check --node edge-1    only what this node needs
                """
        )

        @OptionGroup var shared: SharedOptions

        @Option(help: ArgumentHelp("Check the secrets and certificates of this node only.", valueName: "name"))
        var node: String?

        func run() async throws {
            try await Ending.report {
                let settings = try self.shared.loadSettings()
                var role: ClusterSettings.Role?
                var nodes = settings.nodes
                if let name = self.node {
                    guard let node = settings.node(named: name) else {
                        throw ValidationError("\(self.shared.path) has no node \"\(name)\"")
                    }
                    role = node.role
                    nodes = [node]
                }
                _ = try self.shared.resolveSecrets(of: settings, for: role)
                for node in nodes { _ = try NodeCertificates.load(settings, node: node) }
                let counts =
                    "\(settings.routers.count) routers, \(settings.edges.count) edges, \(settings.shards.count) shards"
                let uses = [
                    settings.tls.clients.certificate.map { _ in "clients" },
                    settings.tls.mesh.certificate.map { _ in "mesh" },
                ]
                .compactMap(\.self)
                let tls =
                    uses.isEmpty ? "" : "; the certificates for \(uses.joined(separator: " and ")) are there and fit"
                print(
                    "\(self.shared.path): all right: cluster \(settings.cluster), \(counts); the secrets are there\(tls)."
                )
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.configShow.summary,
            discussion: """
                Examples:
                  trunkline config show
                  trunkline config show --json | jq -r '.nodes[] | "\\(.name) \\(.http)"'
                """
        )

        @OptionGroup var shared: SharedOptions

        @Flag(help: ArgumentHelp(.json))
        var json = false

        func run() async throws {
            try await Ending.report {
                let settings = try self.shared.loadSettings()
                print(
                    self.json ? try SettingsDocument(settings).json() : settings.render(maskSecrets: true),
                    terminator: ""
                )
            }
        }
    }

    struct Reference: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.configReference.summary
        )

        func run() {
            print(ClusterSettings.reference(), terminator: "")
        }
    }
}
