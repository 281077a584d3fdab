// SPDX-License-Identifier: Apache-2.0

import Operations
import Testing

@Suite("What more or fewer routers change")
struct RingSimulationTests {
    private func simulation(_ routers: Int, _ changed: Int) -> RingSimulation {
        RingSimulation(routers: RingSimulation.names(routers), changed: RingSimulation.names(changed))
    }

    @Test("Only what has to move does, up and down", arguments: [(4, 5), (5, 4), (1, 2), (2, 1), (10, 13), (100, 101)])
    func movement(routers: Int, changed: Int) {
        let simulation = self.simulation(routers, changed)
        #expect(simulation.movedNeedlessly == 0)
        #expect(simulation.before.routers == routers && simulation.after.routers == changed)
        #expect(simulation.moved > 0)
    }

    @Test("From four to five a fifth moves, within two per cent of all slots")
    func fifth() {
        let share = Double(self.simulation(4, 5).moved) / 4096
        #expect(abs(share - 0.2) <= 0.02, "\(share)")
    }

    @Test("Without a change nothing moves")
    func same() {
        let simulation = self.simulation(7, 7)
        #expect(simulation.moved == 0 && simulation.least == 0)
        #expect(simulation.text().contains("Moved: 0 of 4096"))
    }
}
