// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Messaging
import Operations

@main
struct Trunkline: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline",
        abstract: "A horizontally sharded message-routing cluster: one program for all of its nodes.",
        discussion: """
            A cluster is described by one file, cluster.yaml. Every node is a process that reads this file and finds \
            itself in it by its name; the file says whether it is an edge (serves clients) or a router (owns slots, \
            reads and writes Postgres). Nodes that no file lists join with `trunkline run NAME --role …`.

            Examples:
              trunkline config check           is everything right, are the secrets there?
              trunkline doctor                 what is wrong, and how to mend it
              trunkline migrate                bring all shards to this program's schema
              trunkline run edge-1             run one node until it is told to stop
              trunkline health edge-1          is it ready? for health checks and scripts
              trunkline status                 what lives, what is ready
              trunkline top                    what the nodes do, live
              trunkline drain edge-1           empty it, then it is safe to stop
              trunkline verbs                  all that can be asked for, here and over HTTP
              trunkline roll --help            start every node again, one after the other
              trunkline plan --preset city     how large a cluster has to be

            Environment: every key of cluster.yaml can be set by a variable; `trunkline config reference` lists them.

            Exit codes: 0 done; 1 failed; 64 the command line is wrong; 78 the configuration or a secret is wrong.
            """,
        version: ProgramVersion.current,
        subcommands: [
            RunCommand.self, MigrateCommand.self, HealthCommand.self, DoctorCommand.self, StatusCommand.self,
            NodesCommand.self,
            TopCommand.self, ShardsCommand.self, SlotsCommand.self, OwnerCommand.self, SessionsCommand.self,
            TraceCommand.self, DrainCommand.self, UndrainCommand.self, RemoveCommand.self, RollCommand.self,
            RebalanceCommand.self, RingCommand.self, ShardCommand.self, MoveCommand.self, LogCommand.self,
            VerbsCommand.self, PlanCommand.self, CertsCommand.self, ConfigCommand.self, VersionCommand.self,
        ]
    )

    /// Here too, so that it may stand before the command as well as after it.
    @OptionGroup var shared: SharedOptions

    static func main() async {
        if let problem = UnknownCommand.problem(in: Array(CommandLine.arguments.dropFirst())) {
            Ending.complain("error: \(problem)")
            Self.exit(withError: ExitCode.validationFailure)
        }
        await self.main(nil)
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: OperatorVerb.version.summary
    )

    func run() {
        print("trunkline \(ProgramVersion.current)")
    }
}
