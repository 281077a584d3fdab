// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Messaging
import Testing

@Suite("The plan of a load run")
struct MessagePlanTests {
    private func plan(
        _ topology: Topology = .direct(userCount: 8, edgeCount: 2, loopCount: 2),
        rate: Double = 300,
        warmUp: Int64 = 1_000_000_000,
        duration: Int64 = 2_000_000_000,
        seed: UInt64 = 1
    ) throws -> MessagePlan {
        try #require(
            MessagePlan(
                topology: topology,
                messagesPerSecond: rate,
                warmUpNanoseconds: warmUp,
                durationNanoseconds: duration,
                seed: seed
            )
        )
    }

    @Test("messages are due at equal distances, and what is due at a time is exactly what has its time by then")
    func openLoop() throws {
        for rate in [0.7, 1, 3, 299.9, 1000, 33_333] {
            let plan = try self.plan(rate: rate, duration: 5_000_000_000)
            #expect(plan.count == Int(6 * rate))
            #expect(plan.dueCount(at: -1) == 0)
            #expect(plan.dueCount(at: 0) == 1)
            #expect(plan.dueCount(at: .max) == plan.count)
            for message in stride(from: 0, to: plan.count, by: max(1, plan.count / 997)) {
                let time = plan.time(of: message)
                #expect(abs(Double(time) - Double(message) * 1e9 / rate) <= 1)
                #expect(plan.dueCount(at: time) == message + 1)
                #expect(plan.dueCount(at: time - 1) == message)
            }
        }
    }

    @Test("what belongs to the warm-up is not measured")
    func warmUp() throws {
        let plan = try self.plan(rate: 100)
        #expect(!plan.isMeasured(0))
        #expect(!plan.isMeasured(99))
        #expect(plan.isMeasured(100))
        #expect((0..<plan.count).count { plan.isMeasured($0) } == 200)
    }

    @Test("senders are members, everybody sends, and the seed decides")
    func senders() throws {
        let topology = Topology.groups(groupCount: 5, groupSize: 4, userCount: 10, edgeCount: 2, loopCount: 2)
        let plan = try self.plan(topology, rate: 1000)
        var messages: [Int: Int] = [:]
        for message in 0..<plan.count {
            let sender = plan.sender(of: message)
            #expect(topology.members[plan.conversation(of: message)].contains(sender))
            messages[sender, default: 0] += 1
        }
        #expect(messages.count == 10)
        #expect(messages.values.allSatisfy { (200...400).contains($0) })
        let same = try self.plan(topology, rate: 1000)
        let other = try self.plan(topology, rate: 1000, seed: 2)
        #expect((0..<plan.count).allSatisfy { plan.sender(of: $0) == same.sender(of: $0) })
        #expect((0..<plan.count).contains { plan.sender(of: $0) != other.sender(of: $0) })
    }

    @Test("nothing to send, and too much, is no plan")
    func impossible() {
        let topology = Topology.direct(userCount: 2, edgeCount: 1, loopCount: 1)
        for (rate, duration) in [(0.0, Int64(1_000_000_000)), (-1, 1_000_000_000), (1, 1000), (1e15, 1_000_000_000)] {
            let plan = MessagePlan(
                topology: topology,
                messagesPerSecond: rate,
                warmUpNanoseconds: 0,
                durationNanoseconds: duration,
                seed: 1
            )
            #expect(plan == nil)
        }
    }

    @Test("the two ends of a direct conversation are on different edges; every loop has users of every edge")
    func direct() {
        let topology = Topology.direct(userCount: 40, edgeCount: 2, loopCount: 2)
        #expect(topology.members.count == 20)
        for members in topology.members {
            #expect(members.count == 2)
            #expect(topology.edge(of: members[0]) != topology.edge(of: members[1]))
        }
        let places = Set((0..<40).map { [topology.edge(of: $0), topology.loop(of: $0)] })
        #expect(places.count == 4)
    }

    @Test("groups have their size, and users are in equally many")
    func groups() {
        let topology = Topology.groups(groupCount: 7, groupSize: 20, userCount: 33, edgeCount: 2, loopCount: 2)
        #expect(topology.members.count == 7)
        #expect(topology.members.allSatisfy { Set($0).count == 20 })
        let memberships = topology.conversations.map(\.count)
        #expect(memberships.reduce(0, +) == 140)
        #expect(memberships.allSatisfy { $0 == 4 || $0 == 5 })
    }

    @Test("of a group only the first members send, and only the first are connected")
    func sendersAndConnected() throws {
        let topology = Topology.groups(
            .fanout,
            groupCount: 2,
            groupSize: 50,
            sendersMax: 3,
            connectedMax: 10,
            userCount: 100,
            edgeCount: 2,
            loopCount: 2
        )
        #expect(topology.connectedCount == 20)
        let plan = try #require(
            MessagePlan(
                topology: topology,
                messagesPerSecond: 1000,
                warmUpNanoseconds: 0,
                durationNanoseconds: 1_000_000_000,
                seed: 3
            )
        )
        let senders = Set((0..<plan.count).map { plan.sender(of: $0) })
        #expect(senders == [0, 1, 2, 50, 51, 52])
        #expect(senders.allSatisfy { topology.isConnected($0) })
        #expect(!topology.isConnected(10) && topology.isConnected(59))
    }

    @Test("a client message id is a UUIDv7 that tells its message, and no other id does")
    func identity() throws {
        let plan = try self.plan(rate: 5000)
        let identity = MessageIdentity(startedAt: 1_700_000_000_000, run: 0xDEAD_BEEF_0BAD)
        var ids: Set<ClientMessageID> = []
        for message in 0..<plan.count {
            let id = identity.id(of: message, at: plan.time(of: message))
            #expect(id.timestamp == 1_700_000_000_000 + UInt64(plan.time(of: message) / 1_000_000))
            #expect(identity.message(of: id, in: plan) == message)
            ids.insert(id)
        }
        #expect(ids.count == plan.count)
        let id = identity.id(of: 77, at: plan.time(of: 77))
        for bit in 0..<128 {
            let other = ClientMessageID(value: id.value ^ (1 << UInt128(bit)))
            #expect(identity.message(of: other, in: plan) == nil)
        }
        #expect(MessageIdentity(startedAt: 1_700_000_000_000, run: 5).message(of: id, in: plan) == nil)
        #expect(identity.message(of: .generate(), in: plan) == nil)
    }

    @Test("bodies have their size, differ, and are the same for the same seed")
    func bodies() {
        for bytes in [1, 200, 65_536] {
            let text = BodyText(bytes: bytes, seed: 5)
            #expect(text.bodies.allSatisfy { $0.utf8.count == bytes })
            #expect(text.bodies == BodyText(bytes: bytes, seed: 5).bodies)
            #expect(text.bodies.count * bytes >= min(1024 * 1024 - bytes, 4096 * bytes))
        }
        #expect(Set(BodyText(bytes: 200, seed: 5).bodies).count == 4096)
        #expect(BodyText(bytes: 200, seed: 5).bodies != BodyText(bytes: 200, seed: 6).bodies)
    }

    @Test("times on the command line need a unit")
    func timeSpans() {
        #expect(TimeSpan("10s")?.nanoseconds == 10_000_000_000)
        #expect(TimeSpan("1.5s")?.nanoseconds == 1_500_000_000)
        #expect(TimeSpan("250ms")?.nanoseconds == 250_000_000)
        #expect(TimeSpan("2m")?.nanoseconds == 120_000_000_000)
        #expect(TimeSpan("1h")?.nanoseconds == 3_600_000_000_000)
        #expect(TimeSpan("0s")?.nanoseconds == 0)
        for wrong in ["", "10", "s", "-1s", "1e3s", "1 s", "25h", "10S", "nans", "1.2.3s"] {
            #expect(TimeSpan(wrong) == nil, "\(wrong)")
        }
    }
}
