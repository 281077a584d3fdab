// SPDX-License-Identifier: Apache-2.0

import Operations
import TestSupport
import Testing

@Suite("Evening out the sessions of edges")
struct RebalancePlanTests {
    private func edges(_ sessions: [Int]) -> [RebalancePlan.Edge] {
        sessions.enumerated().map { .init(name: "edge-\($0)", address: "10.0.0.\($0):80", sessions: $1) }
    }

    private func plan(_ sessions: [Int], threshold: Double = 0.1) -> RebalancePlan {
        RebalancePlan(self.edges(sessions), threshold: threshold)
    }

    @Test("A new edge gets what the others have too many of")
    func newEdge() {
        let plan = self.plan([300, 300, 0])
        #expect(plan.average == 200)
        #expect(plan.moves.map(\.count) == [100, 100])
        #expect(plan.moves.allSatisfy { Set($0.targets) == ["10.0.0.2:80"] })
    }

    @Test("Each edge below the average gets its share")
    func shares() {
        let plan = self.plan([900, 100, 300, 300])
        #expect(plan.moves.map(\.edge) == ["edge-0"])
        #expect(plan.moves[0].count == 500)
        let targets = plan.moves[0].targets
        func count(_ number: Int) -> Int { targets.count { $0 == "10.0.0.\(number):80" } }
        #expect(targets.count == RebalancePlan.targetsMax)
        #expect(abs(count(1) - 38) <= 1 && abs(count(2) - 13) <= 1 && abs(count(3) - 13) <= 1, "\(targets)")
    }

    @Test(
        "What is even enough stays",
        arguments: [[], [5], [0, 0], [100, 100, 100], [105, 100, 95], [1, 0], [1, 1, 0], [109, 100, 91]]
    )
    func even(sessions: [Int]) {
        #expect(self.plan(sessions).moves.isEmpty)
    }

    @Test("Carried out, a plan leaves nothing to do, and it never swings", arguments: [1, 2, 3, 4, 5])
    func converges(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let count = Int.random(in: 1...12, using: &random)
            var sessions = (0..<count).map { _ in Int.random(in: 0...500, using: &random) }
            let total = sessions.reduce(0, +)
            let before = sessions
            let plan = self.plan(sessions)
            for move in plan.moves {
                let from = before.indices.first { "edge-\($0)" == move.edge } ?? 0
                sessions[from] -= move.count
                for place in 0..<move.count {
                    let target = move.targets[place % move.targets.count]
                    let index = before.indices.first { "10.0.0.\($0):80" == target } ?? 0
                    sessions[index] += 1
                }
            }
            #expect(sessions.reduce(0, +) == total)
            // Rounds of the list end at different places: a few sessions more or less for each that sends.
            let slack = Double(RebalancePlan.targetsMax * plan.moves.count)
            for (now, then) in zip(sessions, before) where Double(then) <= plan.average {
                #expect(Double(now) <= plan.average + 1 + slack, "\(before) became \(sessions)")
            }
            for move in plan.moves {
                let from = before.indices.first { "edge-\($0)" == move.edge } ?? 0
                #expect(Double(sessions[from]) >= plan.average, "never below the average")
            }
        }
    }
}
