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

                With --node only what this node needs is looked at: the secrets of its role, its certificates. Of a node \
                that no file lists say the same as to `trunkline run`.

                Examples:
                  trunkline config check
                  trunkline config check --node edge-1
                  trunkline config check --node edge-3 --role edge --http 0.0.0.0:8200 --advertise 10.0.0.7
                """
        )

        @OptionGroup var shared: SharedOptions

        @Option(help: ArgumentHelp("Check what this node needs, and nothing else.", valueName: "name"))
        var node: String?

        @OptionGroup var description: NodeDescription

        func validate() throws {
            guard self.node != nil || self.description.isEmpty else {
                throw ValidationError("Say with --node which node the other options describe.")
            }
        }

        func run() async throws {
            try await Ending.report {
                let path = self.shared.path
                if let name = self.node {
                    let (settings, node) = try self.description.load(name, from: self.shared)
                    _ = try self.shared.resolveSecrets(of: settings, for: SecretNeeds(node.role))
                    return print(
                        "\(path): \(Self.line(node, try NodeCertificates.load(settings, node: node), settings))"
                    )
                }
                let settings = try self.shared.loadSettings()
                _ = try self.shared.resolveSecrets(of: settings, for: .all)
                for node in settings.nodes { _ = try NodeCertificates.load(settings, node: node) }
                print("\(path): \(Self.line(settings))")
            }
        }

        private static func line(_ settings: ClusterSettings) -> String {
            let uses = [
                settings.tls.clients.certificate.map { _ in "clients" },
                settings.tls.mesh.certificate.map { _ in "mesh" },
            ]
            let certificates =
                settings.nodes.isEmpty
                ? "no certificate was read, as no node is listed: check each with --node" : nil
            let parts = [
                "all right: cluster \(settings.cluster)",
                "\(settings.routers.count) routers, \(settings.edges.count) edges, \(settings.shards.count) shards",
            ]
            let tls = Self.certificates(for: uses.compactMap(\.self)).map { certificates ?? $0 }
            return parts.joined(separator: ", ") + "; the secrets are there" + (tls.map { "; \($0)" } ?? "") + "."
        }

        private static func line(
            _ node: ClusterSettings.Node,
            _ certificates: NodeCertificates,
            _ settings: ClusterSettings
        ) -> String {
            let uses = [certificates.clients.map { _ in "clients" }, certificates.mesh.map { _ in "mesh" }]
            let mesh = node.mesh.map { ", mesh \($0)" } ?? ""
            let parts = [
                "all right for \(node.name): \(node.role) of cluster \(settings.cluster), http \(node.http)\(mesh)",
                "its secrets are there",
                Self.certificates(for: uses.compactMap(\.self)),
                node.role == .router && settings.shards.isEmpty
                    ? "where the shards are, other routers have to tell it" : nil,
            ]
            return parts.compactMap(\.self).joined(separator: "; ") + "."
        }

        private static func certificates(for uses: [String]) -> String? {
            uses.isEmpty ? nil : "the certificates for \(uses.joined(separator: " and ")) are there and fit"
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
