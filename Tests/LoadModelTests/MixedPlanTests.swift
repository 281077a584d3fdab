// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("The mixed load")
struct MixedPlanTests {
    private let topology = Topology.mixed(
        groupCount: 30,
        largestGroup: 80,
        directPercent: 60,
        userCount: 200,
        devicesPerUser: 2,
        edgeCount: 2,
        loopCount: 2
    )

    @Test("everybody is in one pair; groups have many sizes, and nobody is in one twice")
    func members() {
        #expect(self.topology.members.count == 130)
        #expect(self.topology.directCount == 100)
        for (conversation, members) in self.topology.members.enumerated() {
            #expect(self.topology.isDirect(conversation) == (conversation < 100))
            #expect(Set(members).count == members.count)
            #expect(self.topology.isDirect(conversation) ? members.count == 2 : (3...80).contains(members.count))
        }
        #expect(Set(self.topology.members.prefix(100).joined()) == Set(0..<200))
    }

    @Test("group sizes rise, as many below their geometric middle as above")
    func sizes() {
        let sizes = GroupSizes.spread(100, upTo: 300)
        #expect(sizes == sizes.sorted())
        #expect(sizes.first == 3 && sizes.last ?? 0 > 280)
        #expect((25...35).contains(sizes[50]), "the geometric mean of 3 and 300 is 30: \(sizes[50])")
        #expect(GroupSizes.spread(5, upTo: 3) == [3, 3, 3, 3, 3])
        #expect(GroupSizes.spread(0, upTo: 30).isEmpty)
    }

    @Test("so many messages of a hundred are between two, evenly over the pairs, the others evenly over the groups")
    func shares() throws {
        let stretch = SendSchedule.Stretch(start: 0, messagesPerSecond: 2000, warmUp: 0, measured: 10_000_000_000)
        let plan = try #require(MessagePlan(topology: self.topology, seed: 3).appending(stretch))
        var counts: [Int: Int] = [:]
        for message in 0..<plan.count { counts[plan.conversation(of: message), default: 0] += 1 }
        let direct = counts.filter { self.topology.isDirect($0.key) }
        let groups = counts.filter { !self.topology.isDirect($0.key) }
        #expect((11_700...12_300).contains(direct.values.reduce(0, +)))
        #expect(direct.count == 100 && direct.values.allSatisfy { (70...180).contains($0) })
        #expect(groups.count == 30 && groups.values.allSatisfy { (190...350).contains($0) })
    }

    @Test("every device of a sender sends, and all others of the members receive")
    func devices() throws {
        let stretch = SendSchedule.Stretch(start: 0, messagesPerSecond: 2000, warmUp: 0, measured: 5_000_000_000)
        let plan = try #require(MessagePlan(topology: self.topology, seed: 3).appending(stretch))
        var senders: Set<Int> = []
        for message in 0..<plan.count {
            let device = plan.device(of: message)
            #expect(self.topology.user(ofDevice: device) == plan.sender(of: message))
            senders.insert(device)
        }
        #expect(senders.count == 400)
        #expect(self.topology.deviceCount == 400 && self.topology.connectedDeviceCount == 400)
        for (conversation, members) in self.topology.members.enumerated() {
            #expect(self.topology.receivers[conversation] == 2 * members.count - 1)
        }
    }

    @Test("the devices of a user are on different edges; loops have devices of every edge")
    func places() {
        for user in 0..<200 {
            let devices = Array(self.topology.devices(ofUser: user))
            #expect(devices.allSatisfy { self.topology.user(ofDevice: $0) == user })
            #expect(Set(devices.map { self.topology.edge(of: $0) }).count == 2)
        }
        let places = Set((0..<400).map { [self.topology.edge(of: $0), self.topology.loop(of: $0)] })
        #expect(places.count == 4)
    }

    @Test("who is quiet has a session and no conversation, and nothing is sent")
    func quiet() throws {
        let topology = Topology.quiet(userCount: 7, devicesPerUser: 3, edgeCount: 2, loopCount: 2)
        #expect(topology.connectedDeviceCount == 21)
        #expect(topology.members.isEmpty && topology.conversations.allSatisfy(\.isEmpty))
        let silence = SendSchedule.Stretch(start: 0, messagesPerSecond: 0, warmUp: 0, measured: 10_000_000_000)
        let plan = try #require(MessagePlan(topology: topology, seed: 1).appending(silence))
        #expect(plan.count == 0 && plan.dueCount(at: .max) == 0 && plan.schedule.end == 10_000_000_000)
        let more = SendSchedule.Stretch(
            start: 10_000_000_000,
            messagesPerSecond: 1,
            warmUp: 0,
            measured: 10_000_000_000
        )
        #expect(plan.appending(more)?.count == nil)
    }
}
