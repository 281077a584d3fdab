// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LoadModel
import TrunklineClient

/// Who talks with whom. What is not given depends on the scenario.
struct PopulationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Users. (default: 40 for direct, 200 for mixed, 1000 for idle, 5000 for storm; as many as the groups have places, for group at most 200; with churn and sync the groups decide)",
            valueName: "n"
        )
    )
    var users: Int?

    @Option(help: ArgumentHelp("Devices of each user. (default: 1, for mixed 2)", valueName: "n"))
    var devices: Int?

    @Option(
        help: ArgumentHelp(
            "Members of each group. (default: 20, for fanout 1000); for mixed those of the largest (100)",
            valueName: "n"
        )
    )
    var groupSize: Int?

    @Option(
        help: ArgumentHelp(
            "Groups; a user can be in several. (default: 4, for fanout 1, for mixed one for ten users)",
            valueName: "n"
        )
    )
    var groups: Int?

    @Option(help: ArgumentHelp("Members of each group that send. (default: all, for fanout 4)", valueName: "n"))
    var senders: Int?

    @Option(
        help: ArgumentHelp(
            "Members of each group that are connected; the others only are members. (default: all)",
            valueName: "n"
        )
    )
    var connected: Int?

    @Option(
        help: ArgumentHelp("Of mixed: messages between two users, of a hundred. (default: 60)", valueName: "percent")
    )
    var directShare: Int?
}

/// Who comes and goes.
struct ChangeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Of churn: users who come into each group and go again. (default: 2)", valueName: "n"))
    var guests: Int?

    @Option(
        help: ArgumentHelp(
            "Of churn: additions and removals in a second, in all groups together; and as many connections are cut. (default: 5)",
            valueName: "per-second"
        )
    )
    var churnRate: Double?

    @Option(
        help: ArgumentHelp(
            "Of sync: members of each group that are away until the middle of the measured time. They do not send. (default: a quarter)",
            valueName: "n"
        )
    )
    var away: Int?
}

/// What a storm has to be like.
struct StormOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How long a session may take to be back before the exit code is 5. (default: 15s)",
            valueName: "time"
        ),
        transform: LoadCommand.span
    )
    var stormLimit: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Resident memory of each watched node before the exit code is 5. (default: 64 and 1 for each 64 sessions)",
            valueName: "MiB"
        )
    )
    var memoryLimit: Int?

    static let limitDefault = TimeSpan(nanoseconds: 15_000_000_000)
}

/// How the knee is looked for.
struct RampOptions: ParsableArguments {
    @Flag(
        help:
            "Find the highest rate that is borne: begin with --rate, raise it by --ramp-factor for --duration each until a step does not hold, then bisect."
    )
    var ramp = false

    @Option(
        name: .customLong("knee-p99"),
        help: ArgumentHelp(
            "A step holds while p99 of the acknowledgements is at most this. (default: 50ms)",
            valueName: "time"
        ),
        transform: LoadCommand.span
    )
    var kneeP99: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "A step holds while at least this part of what is offered is acknowledged in time. (default: 0.95)",
            valueName: "ratio"
        )
    )
    var kneeRatio: Double?

    @Option(help: ArgumentHelp("From one rate to the next. (default: 1.5)", valueName: "factor"))
    var rampFactor: Double?

    @Option(
        help: ArgumentHelp(
            "The knee is found when a rate that did not hold is at most so many times one that did. (default: 1.1)",
            valueName: "factor"
        )
    )
    var rampPrecision: Double?

    @Option(help: ArgumentHelp("Steps at most. (default: 12)", valueName: "n"))
    var rampSteps: Int?

    /// Steps that a run has room for: each keeps its histograms.
    static let stepsMax = 40

    var limit: KneeLimit {
        KneeLimit(p99: (self.kneeP99?.seconds ?? 0.05) * 1000, ratio: self.kneeRatio ?? KneeLimit().ratio)
    }

    func settings(firstRate: Double) -> KneeSearch.Settings {
        var settings = KneeSearch.Settings(firstRate: firstRate)
        settings.factor = self.rampFactor ?? settings.factor
        settings.precision = self.rampPrecision ?? settings.precision
        settings.stepsMax = self.rampSteps ?? settings.stepsMax
        return settings
    }
}

/// Which part of a run a process carries out for another one, which started it. Not for the command line.
struct PartOptions: ParsableArguments {
    /// Counted from 1; nil for a process that was started by hand.
    @Option(help: .hidden)
    var part: Int?
}
