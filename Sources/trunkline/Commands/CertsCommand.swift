// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Foundation
import Operations
import TransportSecurity

struct CertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certs",
        abstract: "Make certificates for development and small installations, and look at any.",
        discussion: """
            An authority is one certificate whose key signs those of the nodes. Nodes show theirs to each other on the mesh \
            (tls.mesh in cluster.yaml) and edges to their clients (tls.clients). A node's certificate names it with the URI \
            trunkline://CLUSTER/NODE, and the mesh takes no other for it.

            For development and small installations: the authority's key lies in a file, there is no list of what was signed, \
            and nothing can be taken back but by making a new authority. Where a public or company authority signs, let it \
            put that URI among the names, and the extended key usages serverAuth and clientAuth.

            Nodes read files that have changed again by themselves, within seconds; nothing has to be restarted.

            Examples:
              trunkline certs authority --out certificates
              trunkline certs node router-1 router-2 edge-1 --authority certificates --out certificates
              trunkline certs node edge-1 --authority certificates --out certificates --host chat.example.org --force
              trunkline certs show certificates/edge-1.pem
            """,
        subcommands: [Authority.self, Node.self, Show.self]
    )

    /// What both that write have in common.
    struct Output: ParsableArguments {
        @Option(help: ArgumentHelp("The folder to write to; it is made when it is not there.", valueName: "dir"))
        var out: String

        @Flag(help: "Write over files that are there.")
        var force = false
    }

    static let daysBounds = 1...36_500

    static func check(days: Int) throws {
        guard Self.daysBounds.contains(days) else {
            throw ValidationError(
                "--days is \(Self.daysBounds.lowerBound) to \(Self.daysBounds.upperBound), not \(days)"
            )
        }
    }

    /// Turns what goes wrong with certificates into the ending of a command.
    static func report(_ body: () async throws -> Void) async throws {
        try await Ending.report {
            do {
                try await body()
            } catch let problem as CertificateFolder.Problem {
                throw OperationsError(problem.message, remedy: problem.remedy)
            } catch let problem as CertificateProblem {
                throw OperationsError(problem.message, remedy: problem.remedy)
            }
        }
    }
}

extension CertsCommand {
    struct Authority: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.certsAuthority.summary,
            discussion: """
                For development and small installations. Whoever has authority.key can be any node of the cluster as far as \
                certificates go: keep it where nodes are not, readable for you alone (it is written so).

                Examples:
                  trunkline certs authority --out certificates
                  trunkline certs authority --out certificates --days 365 --force
                """
        )

        @OptionGroup var output: Output

        @Option(help: ArgumentHelp("How long it is good.", valueName: "n"))
        var days = 3650

        func run() async throws {
            try CertsCommand.check(days: self.days)
            try await CertsCommand.report {
                let folder = CertificateFolder(path: self.output.out)
                let name = CertificateFolder.authorityName
                try folder.prepare(for: [name], replacing: self.output.force)
                let issued = try DevelopmentAuthority(days: self.days, now: Date()).issued
                try folder.write(
                    name,
                    certificatePEM: try issued.certificatePEM(),
                    privateKeyPEM: try issued.privateKeyPEM(),
                    replacing: self.output.force
                )
                printLine(
                    """
                    \(folder.certificatePath(name))  the authority: for every node, and for clients
                    \(folder.privateKeyPath(name))  its key: signs certificates, and no node needs it
                    An authority for development and small installations. Next: trunkline certs node NAME… \
                    --authority \(folder.path) --out DIR
                    """
                )
            }
        }
    }

    struct Node: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.certsNode.summary,
            discussion: """
                One certificate serves both uses: the mesh, where it names the node, and clients, who compare --host with \
                what they dialled. Each is good for --days, but not longer than its authority.

                Examples:
                  trunkline certs node router-1 router-2 edge-1 edge-2 --authority certificates --out certificates
                  trunkline certs node edge-1 --cluster chat --authority ca --out ca --host chat.example.org --host 192.0.2.7
                  trunkline certs node edge-1 --authority certificates --out certificates --days 30 --force
                """
        )

        /// For clients on the same machine, as in development.
        static let hostsOfThisMachine = ["localhost", "127.0.0.1", "::1"]

        @OptionGroup var shared: SharedOptions
        @OptionGroup var output: Output

        @Argument(help: "The nodes' names, as in cluster.yaml or `trunkline run NAME`.")
        var names: [String]

        @Option(help: ArgumentHelp("The folder of authority.pem and authority.key.", valueName: "dir"))
        var authority: String

        @Option(
            help: ArgumentHelp(
                "What clients reach it by, once for each; *.example.org for all below. (default: localhost, 127.0.0.1 and ::1)",
                valueName: "name-or-ip"
            )
        )
        var host: [String] = []

        @Option(help: ArgumentHelp("The cluster's name. (default: that of cluster.yaml)", valueName: "name"))
        var cluster: String?

        @Option(help: ArgumentHelp("How long they are good.", valueName: "n"))
        var days = 365

        func run() async throws {
            try CertsCommand.check(days: self.days)
            for name in self.names + (self.cluster.map { [$0] } ?? []) where !ClusterSettings.isName(name) {
                throw ValidationError("\"\(name)\" is not a name: use 1 to 63 lower-case letters, digits and -")
            }
            guard !self.names.contains(CertificateFolder.authorityName) else {
                throw ValidationError(
                    "a node called \(CertificateFolder.authorityName) would have the authority's files"
                )
            }
            let hosts = try (self.host.isEmpty ? Self.hostsOfThisMachine : self.host).map { text in
                guard let host = DevelopmentAuthority.Host(text) else {
                    throw ValidationError("\"\(text)\" is neither a host's name nor an address")
                }
                return host
            }
            try await CertsCommand.report {
                let cluster = try self.cluster ?? self.shared.loadSettings().cluster
                let now = Date()
                let texts = try CertificateFolder(path: self.authority).readAuthority()
                let authority = try DevelopmentAuthority(
                    certificatePEM: texts.certificate,
                    privateKeyPEM: texts.privateKey,
                    now: now
                )
                let folder = CertificateFolder(path: self.output.out)
                try folder.prepare(for: self.names, replacing: self.output.force)
                for name in self.names {
                    let node = CertifiedNode(cluster: cluster, node: name)
                    let issued = try authority.issue(for: node, hosts: hosts, days: self.days, now: now)
                    try folder.write(
                        name,
                        certificatePEM: try issued.certificatePEM(),
                        privateKeyPEM: try issued.privateKeyPEM(),
                        replacing: self.output.force
                    )
                    printLine("\(folder.certificatePath(name)), \(folder.privateKeyPath(name))  \(node)")
                }
                printLine("For development and small installations; see `trunkline certs --help`.")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: OperatorVerb.certsShow.summary,
            discussion: """
                Examples:
                  trunkline certs show certificates/edge-1.pem
                """
        )

        @Argument(help: "A PEM file.")
        var file: String

        func run() async throws {
            try await CertsCommand.report {
                let bytes: [UInt8]
                do throws(SmallFile.Problem) {
                    bytes = try SmallFile.read(self.file)
                } catch {
                    throw OperationsError(error.message, remedy: "name a PEM file that can be read")
                }
                let text = try CertificateSummary.text(ofPEM: String(decoding: bytes, as: UTF8.self), now: Date())
                print(text, terminator: "")
            }
        }
    }
}
