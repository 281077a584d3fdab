// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClientProtocol
import LoadModel
import Messaging
import TrunklineClient

/// The command line.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trunkline-load",
        abstract: "Puts a steady load on a Trunkline cluster, measures it, and audits what became of every message.",
        discussion: """
            It registers users, makes conversations and opens WebSockets through the public API of the edges it is \
            given, and then sends at a fixed rate whatever the answers do (an open loop): all latencies are measured \
            from the planned time of a message, so a stall is counted for every message that it held up.

            Afterwards it compares, for each conversation, what was acknowledged with what arrived at each device and \
            with the history that the cluster shows over REST. Edges and routers may die meanwhile: sessions move to \
            a living edge, send again what has no answer, and catch up.

            Scenarios:
            \(Self.scenarios)

            Violations are told as soon as they are seen. The scenario storm tells how long the sessions took to be back \
            (authenticated, and brought up to date), what they were told meanwhile, and how much memory the nodes took. \
            Connections that are lost for another reason, such as an edge that was killed by hand, count the same in every \
            scenario.

            Exit codes, which keep their meaning: 0 the audit held. 1 the audit found violations. 2 the command line is \
            wrong. 3 users, conversations or connections could not be made, or the audit held and the file of --json or --html \
            could not be written, or one of --processes was lost. 4 the audit held, but more messages failed for good than \
            --allow-failures, or the rate was not reached, or sessions stayed away, or no step of a ramp held. 5 the audit held, but the storm was not weathered: not \
            everybody was back within --storm-limit, an error other than rate_limited was seen, or a node took more \
            memory than --memory-limit.

            On a terminal a block that is redrawn every second shows rates, percentiles, errors and what the nodes take; \
            elsewhere it is a line a second. --json and --html write everything to files, over time too; \
            `trunkline-load compare A.json B.json` compares two runs (`trunkline-load compare --help`).

            Examples, to be begun with trunkline-load --edge http://127.0.0.1:8201 --edge http://127.0.0.1:8202:
              --users 40 --rate 500 --duration 10s
              --scenario mixed --users 1000 --rate 1000 --html report.html
              --scenario idle --users 10000 --processes 2 --duration 30s
              --scenario churn --groups 10 --group-size 30 --guests 3 --churn-rate 20
              --scenario sync --group-size 50 --away 10 --rate 500 --duration 20s
              --ca certificates/authority.pem    and --edge https://… before it
              --scenario mixed --ramp --rate 200 --knee-p99 50ms --duration 5s --json ramp.json
            """,
        version: "trunkline-load \(ProgramVersion.current)"
    )

    private static var scenarios: String {
        Topology.Scenario.allCases.map { scenario in
            "  " + scenario.rawValue + String(repeating: " ", count: max(1, 8 - scenario.rawValue.count))
                + scenario.summary
        }.joined(separator: "\n")
    }

    @Option(
        name: .customLong("edge"),
        help: ArgumentHelp("An edge, once for each; users are spread over them.", valueName: "url"),
        transform: { text in
            guard let edge = EdgeAddress(text) else {
                throw ValidationError("An edge is given as http://HOST:PORT or https://HOST:PORT, not as \(text).")
            }
            return edge
        }
    )
    var edges: [EdgeAddress] = []

    @Option(
        name: .customLong("ca"),
        help: ArgumentHelp(
            "The authority that signed the certificates of the edges, where they are https://: PEM. (default: those of the system)",
            valueName: "file"
        ),
        transform: { path in
            do throws(TrunklineError) {
                return try EdgeTrust(authorityFile: path)
            } catch {
                throw ValidationError("--ca: \(error.message)")
            }
        }
    )
    var trust = EdgeTrust.system

    @Option(
        help: ArgumentHelp("What the run is like, see above. (default: direct)", valueName: "name"),
        transform: { text in
            guard let scenario = Topology.Scenario(rawValue: text) else {
                let names = Topology.Scenario.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("The scenario is one of \(names), not \(text).")
            }
            return scenario
        }
    )
    var scenario = Topology.Scenario.direct

    @OptionGroup(title: "Who talks with whom") var population: PopulationOptions

    @Option(
        name: .customLong("protocol"),
        help: "What the devices speak: json or binary. An edge that does not know binary is spoken JSON with.",
        transform: { text in
            switch text {
            case "json": ClientSubprotocol.json
            case "binary": ClientSubprotocol.binary
            default: throw ValidationError("The protocol is json or binary, not \(text).")
            }
        }
    )
    var subprotocol = ClientSubprotocol.json

    @Option(
        help: ArgumentHelp(
            "Messages offered per second, by all users together; with --ramp those of the first step. (default: 200, for idle 0)",
            valueName: "per-second"
        )
    )
    var rate: Double?

    @Option(
        help: ArgumentHelp(
            "Measured time, such as 10s, 500ms or 2m; with --ramp that of each step. (default: 10s, for storm 30s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var duration: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Time before it at the same rate; audited, not measured. (default: 2s, for idle 0s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var warmup: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "How long to wait for answers and deliveries, at the end and after each step of a ramp. (default: 30s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var drain = TimeSpan(nanoseconds: 30_000_000_000)

    @Option(
        help: ArgumentHelp(
            "How long one message is tried before it counts as failed. (default: 30s)",
            valueName: "time"
        ),
        transform: Self.span
    )
    var sendTimeLimit = TimeSpan(nanoseconds: 30_000_000_000)

    @Option(help: ArgumentHelp("Bytes of each body.", valueName: "bytes"))
    var bodyBytes = 200

    @Option(help: "Decides who sends where and what; the same seed makes the same load.")
    var seed: UInt64 = 1

    @Option(help: "Part of the usernames, so that runs do not meet: 1 to 16 of a-z, 0-9 and -. Drawn when not given.")
    var runID: String?

    @Option(help: ArgumentHelp("Messages that may fail for good before the exit code is 4.", valueName: "n"))
    var allowFailures = 0

    @Option(help: ArgumentHelp("Requests at once while users and conversations are made.", valueName: "n"))
    var setupConcurrency = 8

    @Option(help: ArgumentHelp("Sessions that each event loop opens at a time, before the sending.", valueName: "n"))
    var connectConcurrency = 32

    @Option(
        help: ArgumentHelp("How long all sessions may take to connect. (default: 60s)", valueName: "time"),
        transform: Self.span
    )
    var setupTimeout = TimeSpan(nanoseconds: 60_000_000_000)

    @Option(help: ArgumentHelp("Threads that send and receive.", valueName: "n"))
    var eventLoops = 2

    @Option(
        help: ArgumentHelp(
            "Processes of the load generator; each has its share of users, groups and rate, and its own --event-loops.",
            valueName: "n"
        )
    )
    var processes = 1

    @Flag(help: "End the run at the first violation that the audit sees, and say which it is.")
    var failFast = false

    @Option(
        name: .customLong("metrics"),
        help: ArgumentHelp(
            "A node beside the edges, such as a router, whose memory and processor time are watched; once for each.",
            valueName: "url"
        ),
        transform: { text in
            guard let node = EdgeAddress(text) else {
                throw ValidationError("A node is given as http://HOST:PORT or https://HOST:PORT, not as \(text).")
            }
            return node
        }
    )
    var watchedNodes: [EdgeAddress] = []

    @Option(name: .customLong("json"), help: ArgumentHelp("Write everything to this file.", valueName: "file"))
    var jsonFile: String?

    @Option(name: .customLong("html"), help: ArgumentHelp("Write a page with plots to this file.", valueName: "file"))
    var htmlFile: String?

    @Flag(help: "Only the summary, no progress.")
    var quiet = false

    @OptionGroup(title: "Ramp") var ramp: RampOptions
    @OptionGroup(title: "Churn and sync") var changes: ChangeOptions
    @OptionGroup(title: "Storm") var storm: StormOptions
    @OptionGroup var part: PartOptions

    static func span(_ text: String) throws -> TimeSpan {
        guard let span = TimeSpan(text) else {
            throw ValidationError("A time is a number with ms, s, m or h, such as 10s, not \(text).")
        }
        return span
    }
}
