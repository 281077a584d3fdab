// SPDX-License-Identifier: Apache-2.0

/// How large a cluster has to be for a workload, with the way there. Pure: the same questions get the same answers.
package struct ClusterPlan: Sendable, Equatable, Encodable {
    /// A figure on the way.
    package struct Quantity: Sendable, Equatable, Encodable {
        package var name: String
        package var value: Double
        package var unit: String
        /// The formula, in words.
        package var reason: String
    }

    /// Machines of one kind.
    package struct Machines: Sendable, Equatable, Encodable {
        package var kind: String
        package var count: Int
        /// Of each.
        package var cores: Int
        package var memoryGiB: Double
        package var diskGiB: Double
        /// What asks for so many.
        package var boundBy: String
        package var reason: String
    }

    /// Of a month of 730 hours.
    package struct Expense: Sendable, Equatable, Encodable {
        package var name: String
        package var perMonth: Double
        package var reason: String
    }

    package var workload: Workload
    package var sizes: NodeSizes
    package var costs: UnitCosts
    package var prices: Prices
    package internal(set) var demand: [Quantity] = []
    package internal(set) var machines: [Machines] = []
    package internal(set) var expenses: [Expense] = []
    /// What this program cannot do yet, or what the plan rests on too much.
    package internal(set) var warnings: [String] = []

    /// - Throws: `OperationsError` when what is asked makes no sense; it names everything that is wrong.
    package init(
        _ workload: Workload,
        sizes: NodeSizes = NodeSizes(),
        costs: UnitCosts = UnitCosts(),
        prices: Prices = Prices()
    ) throws(OperationsError) {
        let problems = workload.problems + sizes.problems + costs.problems + prices.problems
        guard problems.isEmpty else {
            throw OperationsError(
                "this cannot be planned: \(problems.joined(separator: "; "))",
                remedy: "see `trunkline plan --help`"
            )
        }
        self.workload = workload
        self.sizes = sizes
        self.costs = costs
        self.prices = prices
        let calculation = PlanCalculation(workload: workload, sizes: sizes, costs: costs)
        self.demand = calculation.demand
        self.machines = calculation.machines
        self.expenses = calculation.expenses(prices, self.machines)
        self.warnings = calculation.warnings
    }

    /// How many of a kind there are: `edge`, `router`, `shard`, `Redis`.
    package func count(of kind: String) -> Int {
        self.machines.first { $0.kind == kind }?.count ?? 0
    }

    package func value(of name: String) -> Double? {
        self.demand.first { $0.name == name }?.value
    }
}
