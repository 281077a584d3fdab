// SPDX-License-Identifier: Apache-2.0

import Glibc
import Simulation
import TestSupport
import Testing

/// Runs the simulator as it is run by hand: a process of its own, since a seed is a run only where hashing is the same in
/// every process.
@Suite("Simulation of the routing core", .serialized)
struct SimulationTests {
    private func simulate(_ arguments: [String]) async throws -> (status: Int32, text: String) {
        let output = "/tmp/trunkline-simulate-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).log"
        let process = try GuardedProcess(
            [TestCluster.program("trunkline-simulate")] + arguments,
            environment: ["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"],
            output: output
        )
        defer { unlink(output) }
        try await eventually("the simulation ends", within: .seconds(900)) { process.exitStatus != nil }
        return (process.exitStatus ?? -1, process.text)
    }

    @Test("120 seeds hold; thousands with scripts/simulate")
    func seedsHold() async throws {
        let (status, text) = try await self.simulate(["--seeds", "120"])
        #expect(status == 0, "\(text)")
    }

    @Test("A seed is the same run every time")
    func seedsRepeat() async throws {
        let first = try await self.simulate(["--seed", "3"])
        let second = try await self.simulate(["--seed", "3"])
        #expect(first.text == second.text)
        #expect(first.text.contains("checksum"))
    }

    /// Where each is found: most show within a few seeds. A lost delivery heals by itself wherever a later message follows,
    /// so it shows where nothing else may go wrong: in the runs without faults.
    @Test(
        "A planted mistake is objected to",
        arguments: [
            (Defect.acknowledgeBeforeCommit, 200, 1), (.skipEpochCheck, 200, 1), (.loseAttachAnnouncement, 400, 1),
            (.forgetChange, 200, 1), (.dropReceipts, 100, 1), (.dropOneInTenThousand, 1000, 8),
            (.forgetDeduplication, 400, 1), (.deliverAfterRemoval, 100, 1), (.loseAudienceNews, 400, 1),
        ]
    )
    func defectIsFound(_ defect: Defect, seeds: Int, step: Int) async throws {
        let (status, text) = try await self.simulate([
            "--defect", defect.rawValue, "--seeds", "\(seeds)", "--step", "\(step)", "--from", "8", "--until-failure",
        ])
        #expect(status == 1, "nobody objected to \(defect.rawValue) in \(seeds) seeds: \(text)")
    }
}
