// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Operations

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: OperatorVerb.plan.summary,
        discussion: """
            Needs no cluster. Starts from a preset, each of whose figures an option changes, and from what one thing costs, \
            as it was measured (bench/README.md) or as reports of trunkline-load tell (--costs). Tells edges, routers, \
            shards, memory of Redis and bandwidth, each with the formula's reason, every cost with its source, and what \
            this program cannot do yet at that size.

            Presets: company (10,000 users), city (a million), billion (what Trunkline is designed for).

            Costs were measured where nodes, databases and load shared two cores, so that a plan is a beginning: measure \
            your own machines with trunkline-load, on a group of 100 or more for deliveries, on direct messages for the \
            rest, and name both reports.

            Examples:
              trunkline plan --preset billion
              trunkline plan --preset city --users 20e6 --messages 1e9 --peak 4
              trunkline plan --preset company --groups 20:80,500:20 --price-core-hour 0.04 --price-disk 0.1
              trunkline plan --preset city --costs fanout.json --costs direct.json --json
            """
    )

    @Option(help: "The workload to start from: company, city or billion.")
    var preset: Workload.Preset = .city

    @OptionGroup(title: "WORKLOAD") var workload: WorkloadOptions
    @OptionGroup(title: "MACHINES") var sizes: NodeSizeOptions
    @OptionGroup(title: "PRICES") var prices: PriceOptions

    @Option(
        help: ArgumentHelp(
            "A report that trunkline-load wrote with --json; its costs replace those built in. May be repeated: the one with "
                + "deliveries to many before that with direct messages.",
            valueName: "file"
        )
    )
    var costs: [String] = []

    @Flag(help: "Everything in figures, for programs.")
    var json = false

    func run() async throws {
        try await Ending.report {
            var costs = UnitCosts()
            for path in self.costs {
                guard let bytes = FileManager.default.contents(atPath: path) else {
                    throw OperationsError(
                        "\(path) cannot be read",
                        remedy: "name a file that trunkline-load wrote with --json"
                    )
                }
                try costs.take(report: Array(bytes), named: path)
            }
            let plan: ClusterPlan
            do throws(OperationsError) {
                plan = try ClusterPlan(
                    self.workload.applied(to: self.preset.workload),
                    sizes: self.sizes.sizes(for: self.preset),
                    costs: costs,
                    prices: self.prices.prices
                )
            } catch {
                throw ValidationError("\(error.message); \(error.remedy)")
            }
            print(self.json ? try plan.json() + "\n" : plan.text(), terminator: "")
        }
    }
}

extension Workload.Preset: ExpressibleByArgument {}
extension Workload.ClientEncoding: ExpressibleByArgument {}

/// A whole number, also as `50e9`.
struct Quantity: ExpressibleByArgument {
    var value: Int

    init?(argument: String) {
        guard let number = Double(argument), number.isFinite, number == number.rounded(), abs(number) <= 1e15 else {
            return nil
        }
        self.value = Int(number)
    }
}

/// `25` for 25 %.
struct Percentage: ExpressibleByArgument {
    var share: Double

    init?(argument: String) {
        guard let number = Double(argument.hasSuffix("%") ? String(argument.dropLast()) : argument), number.isFinite
        else { return nil }
        self.share = number / 100
    }
}

/// `10:70,100:30`: members of groups, and how many of a hundred messages in groups go to such.
struct GroupList: ExpressibleByArgument {
    var classes: [Workload.GroupClass]

    init?(argument: String) {
        var classes: [Workload.GroupClass] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let fields = part.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 2, let members = Quantity(argument: String(fields[0])),
                let share = Percentage(argument: String(fields[1]))
            else { return nil }
            classes.append(Workload.GroupClass(members: members.value, share: share.share))
        }
        self.classes = classes
    }
}
