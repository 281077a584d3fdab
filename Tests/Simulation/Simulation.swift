// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage

/// One run of the cluster from a seed: devices send while faults come and go, then everything heals, and what the devices
/// saw is held against what is stored.
package struct Simulation {
    package struct Outcome {
        package var seed: UInt64
        package var violations: [Violation]
        package var faults: [FaultPlan.Fault]
        package var messages: Int
        package var events: Int
        package var virtualSeconds: Double
        /// Empty unless it was asked for.
        package var history: String
        package var checksum: UInt64
    }

    private static let warmUp = UInt64.seconds(10)
    private static let traffic = UInt64.seconds(6)
    private static let settleLimit = UInt64.seconds(120)
    /// After everything is quiet, for what should not come any more.
    private static let afterglow = UInt64.seconds(3)

    private let world: World
    private let cluster: SimulatedCluster
    private let devices: [SimulatedDevice]
    private let administrator: SimulatedOperator
    private let conversations: [ConversationID]
    private let plan: FaultPlan

    package static func run(seed: UInt64, defect: Defect? = nil, keepsHistory: Bool = false) -> Outcome {
        Simulation(seed: seed, defect: defect, keepsHistory: keepsHistory).run()
    }

    private init(seed: UInt64, defect: Defect?, keepsHistory: Bool) {
        let world = World(seed: seed, defect: defect, keepsHistory: keepsHistory)
        let routers = Int(world.duration(2...3))
        let shards = Int(world.duration(1...2))
        guard let cluster = SimulatedCluster(world: world, routers: routers, edges: 2, shards: shards) else {
            preconditionFailure("a cluster of \(shards) shards can be made")
        }
        let users = (0..<Int(world.duration(3...5))).map { _ in world.identifier(UserID.self) }
        let conversations = Self.populate(cluster, users)
        self.world = world
        self.cluster = cluster
        self.conversations = conversations
        self.administrator = SimulatedOperator(user: users[0], cluster: cluster)
        let sendsReceipts = world.chance(0.6)
        self.devices = users.enumerated().flatMap { index, user in
            (0...(world.chance(0.4) ? 1 : 0)).map { number in
                SimulatedDevice(
                    name: "device-\(index).\(number)",
                    user: user,
                    cluster: cluster,
                    conversations: conversations,
                    sendsReceipts: sendsReceipts
                )
            }
        }
        self.plan = FaultPlan(world: world, span: Self.traffic)
    }

    /// A group of everybody, and groups of three.
    private static func populate(_ cluster: SimulatedCluster, _ users: [UserID]) -> [ConversationID] {
        let world = cluster.world
        return (0..<Int(world.duration(2...4))).map { index in
            let id = world.identifier(ConversationID.self)
            let members = index == 0 ? users : Array(users.prefix(3))
            let conversation = Conversation(
                id: id,
                kind: .group,
                title: "",
                createdBy: users[0],
                createdAt: world.wallClock,
                headSeq: 0
            )
            cluster.shard(of: id).insert(
                ConversationState(
                    conversation: conversation,
                    members: members.map { Member(user: $0, role: $0 == users[0] ? .owner : .member) },
                    membersVersion: 1
                )
            )
            return id
        }
    }

    private func run() -> Outcome {
        let scheduler = self.world.scheduler
        scheduler.run(until: Self.warmUp) { self.isSettled }
        self.scheduleTraffic()
        FaultInjector(world: self.world, cluster: self.cluster, devices: self.devices).schedule(self.plan)
        scheduler.run(until: scheduler.now + Self.traffic + .seconds(4) + .milliseconds(600))
        let limit = scheduler.now + Self.settleLimit
        while scheduler.now < limit, !self.isSettled {
            scheduler.run(until: scheduler.now + .milliseconds(100))
        }
        var violations: [Violation] = []
        if !self.isSettled {
            violations.append(Violation(kind: .notSettled, detail: self.whatIsUnsettled))
        }
        scheduler.run(until: scheduler.now + Self.afterglow)
        violations += Auditor(
            cluster: self.cluster,
            devices: self.devices,
            conversations: self.conversations,
            isCalm: self.plan.steps.isEmpty
        ).violations()
        defer { self.end() }
        return Outcome(
            seed: self.world.seed,
            violations: violations,
            faults: self.plan.steps.map(\.fault),
            messages: self.devices.reduce(0) { $0 + $1.acknowledged.count },
            events: scheduler.eventCount,
            virtualSeconds: Double(scheduler.now) / 1e9,
            history: self.world.history.text,
            checksum: self.world.history.checksum
        )
    }

    /// What nodes, links and events hold of each other goes: thousands of worlds are made in one process.
    private func end() {
        self.world.scheduler.close()
        let nodes: [SimulatedNode] = self.devices + self.cluster.edges + self.cluster.routers
        for node in nodes { node.crash() }
    }

    private var isSettled: Bool {
        self.devices.allSatisfy { $0.unanswered == 0 && $0.isCaughtUp } && self.administrator.isIdle
            && self.cluster.links.allSatisfy(\.isUp) && self.viewsAreWhole
    }

    private var viewsAreWhole: Bool {
        self.cluster.shards.values.allSatisfy { shard in
            self.cluster.routers.allSatisfy { shard.view.member(named: $0.name) == $0.own }
        }
    }

    private var whatIsUnsettled: String {
        let waiting = self.devices.filter { $0.unanswered > 0 || !$0.isCaughtUp }.map { device in
            "\(device.name) \(device.isOpen ? "open" : "closed") \(device.unanswered) unanswered"
        }
        let links = self.cluster.links.filter { !$0.isUp }.map(\.description)
        let views = self.viewsAreWhole ? [] : ["views are not whole"]
        return (waiting + links + views).joined(separator: ", ")
    }

    // MARK: - Traffic

    private func scheduleTraffic() {
        for device in self.devices { self.scheduleMessages(of: device) }
        self.scheduleAbsences()
        self.scheduleDrops()
        self.scheduleMembershipChanges()
    }

    private func scheduleMessages(of device: SimulatedDevice) {
        var time = self.world.duration(0...(.milliseconds(300)))
        var number = 0
        let pace = self.world.duration(.milliseconds(40)...(.milliseconds(400)))
        while time < Self.traffic {
            number += 1
            let body = "\(device.name)#\(number)"
            let conversation = self.conversations[
                Int(self.world.duration(0...UInt64(self.conversations.count - 1)))
            ]
            // Only the first conversation has everybody in it.
            let state = self.cluster.shard(of: conversation).rows[conversation]?.state
            let isMember = state?.members.contains { $0.user == device.user } ?? false
            let target = isMember ? conversation : self.conversations[0]
            device.later(time) { device.send(body, to: target) }
            // Some come close together, so that several are in flight.
            time += self.world.chance(0.3) ? .microseconds(500) : self.world.duration(0...(2 * pace))
        }
    }

    private func scheduleAbsences() {
        for device in self.devices where self.world.chance(0.25) {
            device.later(self.world.duration(0...Self.traffic)) { device.goAway() }
            device.later(Self.traffic + self.world.duration(0...(.seconds(2)))) { device.comeBack() }
        }
    }

    /// Connections that end and begin again under traffic, each time with a sync.
    private func scheduleDrops() {
        for device in self.devices where self.world.chance(0.4) {
            for _ in 0..<self.world.duration(1...5) {
                device.later(self.world.duration(0...Self.traffic)) { device.drop("flaky") }
            }
        }
    }

    /// The last user is taken out of the first conversation and let in again.
    private func scheduleMembershipChanges() {
        guard self.world.chance(0.5), let last = self.devices.last?.user else { return }
        let (administrator, conversation) = (self.administrator, self.conversations[0])
        let out = self.world.duration(.milliseconds(200)...(.seconds(3)))
        administrator.later(out) { administrator.remove(last, from: conversation) }
        guard self.world.chance(0.6) else { return }
        administrator.later(out + self.world.duration(.milliseconds(200)...(.seconds(2)))) {
            administrator.add(last, to: conversation)
        }
    }
}
