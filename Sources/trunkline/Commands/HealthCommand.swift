// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import NIOPosix
import Operations

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: OperatorVerb.health.summary,
        discussion: """
            Asks /ready of the address where cluster.yaml has the node listen, and says the answer in one line. With --http \
            neither the file nor a secret is read, so that it works in an image that has nothing but this program.

            Ready is what a load balancer wants to know. Whether a process has to be started again is another question, \
            which --live asks: a node that waits for Postgres or for routers is alive, and starting it again mends nothing.

            Examples:
              trunkline health edge-1
              trunkline health edge-1 --wait 60s                  in a script that has just started it
              trunkline health --live --http 127.0.0.1:8200
              trunkline health --http https://127.0.0.1:8200      an edge with TLS; its certificate is not checked
              trunkline health --live --http 127.0.0.1:8200 --http 127.0.0.1:8100

            Exit codes: 0 it is; 1 it is not, or does not answer; 64, 78 as everywhere.
            """
    )

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The node's name in cluster.yaml; not needed with --http.")
    var node: String?

    @Option(
        help: ArgumentHelp(
            "Ask there instead; more than once for several places, of which the first that answers decides.",
            valueName: "host:port"
        )
    )
    var http: [String] = []

    @Flag(help: "Ask whether the process answers (/health), not whether it can do its work.")
    var live = false

    @Option(help: ArgumentHelp("How long an answer may take, at each place.", valueName: "time"))
    var timeout = WaitTime(duration: .seconds(3), text: "3s")

    @Option(help: ArgumentHelp("How long to ask again while it is not.", valueName: "time"))
    var wait = WaitTime(duration: .zero, text: "0s")

    func validate() throws {
        guard self.node != nil || !self.http.isEmpty else {
            throw ValidationError("Say which node is meant: its name in cluster.yaml, or --http HOST:PORT.")
        }
        guard self.timeout.duration > .zero else { throw ValidationError("--timeout is more than 0.") }
        _ = try self.named()
    }

    private func named() throws -> [HealthCheck.Place] {
        try self.http.map { text in
            guard let place = HealthCheck.Place(text) else {
                throw ValidationError("--http \(text): write HOST:PORT, as in 127.0.0.1:8200, or https://HOST:PORT.")
            }
            return place
        }
    }

    private func configured() throws -> [HealthCheck.Place] {
        let settings = try self.shared.loadSettings()
        guard let name = self.node, let node = settings.node(named: name) else {
            throw ValidationError(
                "\(self.shared.path) has no node \"\(self.node ?? "")\"; say with --http HOST:PORT where it listens"
            )
        }
        return [HealthCheck.Place(of: node, in: settings)]
    }

    func run() async throws {
        try await Ending.report {
            let check = HealthCheck(group: MultiThreadedEventLoopGroup.singleton, timeout: self.timeout.duration)
            let verdict = await check.ask(
                self.live ? .alive : .ready,
                of: self.node,
                at: try self.http.isEmpty ? self.configured() : self.named(),
                within: self.wait.duration
            )
            printLine(verdict.line)
            guard verdict.isGood else { throw ExitCode.failure }
        }
    }
}
