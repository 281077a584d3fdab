// SPDX-License-Identifier: Apache-2.0

import FaultModel
import TestSupport
import Testing

@Suite("Schedule and population of a fault run")
struct ScheduleTests {
    @Test("The same seed gives the same steps and people, another seed others", arguments: [1, 2, 77] as [UInt64])
    func repeats(seed: UInt64) {
        func steps(_ seed: UInt64) -> [Step] {
            let generator = SeededRandom(seed: seed)
            let schedule = Schedule(FaultKind.allCases, shape: ClusterShape(), isLong: true, generator: generator)
            return Array(schedule.prefix(60))
        }
        func people(_ seed: UInt64) -> Population {
            var generator = SeededRandom(seed: seed)
            return Population(edges: 3, using: &generator)
        }
        #expect(steps(seed) == steps(seed))
        #expect(steps(seed) != steps(seed + 1))
        #expect(people(seed) == people(seed))
        #expect(people(seed) != people(seed + 1))
    }

    @Test("Every kind comes once before any comes again")
    func everyKind() {
        let generator = SeededRandom(seed: 5)
        let schedule = Schedule(FaultKind.allCases, shape: ClusterShape(), isLong: false, generator: generator)
        let count = FaultKind.allCases.count
        let kinds = schedule.prefix(2 * count).map(\.fault.kind)
        #expect(Set(kinds.prefix(count)).count == count)
        #expect(Set(kinds.suffix(count)).count == count)
    }

    @Test("A second fault is of another group, targets exist, durations are within bounds")
    func steps() {
        let shape = ClusterShape(routers: 3, edges: 2, shards: 2)
        let schedule = Schedule(FaultKind.allCases, shape: shape, isLong: false, generator: SeededRandom(seed: 9))
        var seconds = 0
        for step in schedule.prefix(500) {
            for fault in [step.fault] + (step.second.map { [$0] } ?? []) {
                #expect((0..<3).contains(fault.router) && (0..<2).contains(fault.edge) && (0..<2).contains(fault.shard))
                #expect((0..<5).contains(fault.peer) && fault.peer != fault.router)
                #expect(fault.kind.holdMilliseconds(isLong: false).contains(fault.holdMilliseconds))
            }
            guard let second = step.second else { continue }
            seconds += 1
            #expect(second.kind.group != step.fault.kind.group)
        }
        #expect(seconds > 50)
    }

    @Test("People: senders send where they stay and from a session; comers are no members at the beginning")
    func population() {
        var generator = SeededRandom(seed: 3)
        for _ in 0..<20 {
            let population = Population(edges: 3, using: &generator)
            #expect(Set(population.devices.map(\.behaviour)).count == DeviceBehaviour.allCases.count)
            #expect(population.devices.enumerated().allSatisfy { $0.offset == $0.element.number })
            for sender in population.senders {
                #expect(population.conversations[sender.conversation].members.contains(sender.user))
                #expect(population.devices[sender.device].behaviour == .session)
                #expect(population.devices[sender.device].user == sender.user)
            }
            for conversation in population.conversations {
                #expect(Set(conversation.members).isDisjoint(with: conversation.comers))
                #expect(Set(conversation.members).count == conversation.members.count)
                #expect(conversation.owner == conversation.members.first)
            }
            #expect(population.conversations.contains { !$0.comers.isEmpty })
        }
    }
}
