// SPDX-License-Identifier: Apache-2.0

/// Which faults a run meets, and when: drawn from the seed.
package struct FaultPlan {
    package enum Fault: CaseIterable {
        case crashRouter
        case freezeRouter
        case stopRouter
        case crashEdge
        case freezeEdge
        case blockLink
        case partitionRouters
        case partitionEdge
        case slowLink
        case fullLink
        case registryAway
        case registryEmptied
        case registryRestarted
        case registryUnreachable
        case registryFailover
        case shardCrash
        case shardUnreachable
        case shardCut
        case shardSlow
        case everybodyDrops
    }

    package struct Step {
        package var fault: Fault
        /// Nanoseconds after the beginning of the traffic.
        package var start: UInt64
        package var length: UInt64
    }

    package let steps: [Step]

    /// - Parameter span: the time in which faults begin.
    init(world: World, span: UInt64) {
        // Every eighth run is calm: there nothing at all may be noticed by anybody.
        guard world.seed % 8 != 0 else {
            self.steps = []
            return
        }
        let count = Int(world.duration(1...6))
        self.steps = (0..<count).map { _ in
            let index = Int(world.duration(0...UInt64(Fault.allCases.count - 1)))
            return Step(
                fault: Fault.allCases[index],
                start: world.duration(0...span),
                length: world.duration(.milliseconds(50)...(.milliseconds(4000)))
            )
        }.sorted { $0.start < $1.start }
    }
}
