// SPDX-License-Identifier: Apache-2.0

import Operations
import Testing

@Suite("How large a cluster has to be")
struct ClusterPlanTests {
    /// 8,640,000 users, a tenth online with one device each, 100 messages a second on average and 200 at the peak.
    private var workload: Workload {
        Workload(
            users: 8_640_000,
            onlineShare: 0.1,
            devicesPerUser: 1,
            messagesPerDay: 8_640_000,
            peakFactor: 2,
            groupShare: 0.5,
            groups: [.init(members: 101, share: 1)],
            bodyBytes: 100,
            sessionsPerDeviceAndDay: 1,
            retentionDays: 10
        )
    }

    private var costs: UnitCosts {
        var costs = UnitCosts()
        costs.edgeMessage.value = 100
        costs.edgeFrame.value = 0
        costs.edgeDelivery.value = 1000
        costs.edgeSessionBegin.value = 10_000
        costs.edgeHeartbeat.value = 100
        costs.edgeSessionMemory.value = 10_000
        costs.routerMessage.value = 50_000
        costs.routerFrame.value = 0
        costs.routerSessionBegin.value = 100_000
        costs.postgresMessage.value = 40_000
        costs.postgresSessionBegin.value = 100_000
        costs.storedMessage.value = 924
        costs.redisSession.value = 1_048_576
        return costs
    }

    private func isNear(_ value: Double?, _ expected: Double) -> Bool {
        guard let value else { return false }
        return abs(value - expected) <= abs(expected) * 1e-9
    }

    @Test("Each figure is the one that was worked out by hand")
    func byHand() throws {
        var sizes = NodeSizes()
        sizes.utilisation = 0.5
        sizes.sessionsPerEdge = 100_000
        sizes.redisMemoryGiB = 1024
        let plan = try ClusterPlan(self.workload, sizes: sizes, costs: self.costs)
        #expect(self.isNear(plan.value(of: "sessions"), 864_000))
        #expect(self.isNear(plan.value(of: "messages"), 200))
        // Direct: one member, a tenth online. Group: 100 others, ten of them online. Half of each: 0.05 + 5.
        #expect(self.isNear(plan.value(of: "deliveries of a message"), 5.05))
        #expect(self.isNear(plan.value(of: "deliveries"), 1010))
        #expect(self.isNear(plan.value(of: "sessions that begin"), 20))
        // 200 × 100 + 1010 × 1000 + 20 × 10,000 + 28,800 × 100 = 4,110,000 µs: 4.11 cores of 4 in use: 2 edges by
        // processors; 8.6 GB of memory: 2; sessions: 9 and one to spare.
        #expect(self.isNear(plan.value(of: "edges' processors"), 4.11))
        #expect(plan.count(of: "edge") == 10)
        #expect(plan.machines.first?.boundBy == "sessions")
        // 200 × 50 ms + 20 × 100 ms: 12 cores, 4 of 8 in use: 3 and one.
        #expect(self.isNear(plan.value(of: "routers' processors"), 12))
        #expect(plan.count(of: "router") == 4)
        // 200 × 40 ms + 20 × 100 ms: 10 cores, 8 of 16 in use: 2.
        #expect(self.isNear(plan.value(of: "Postgres' processors"), 10))
        #expect(plan.count(of: "shard") == 2 && plan.count(of: "shard replica") == 2)
        // 86,400,000 messages of 1024 bytes.
        #expect(self.isNear(plan.value(of: "stored messages"), 86_400_000 / Double(1 << 20)))
        // 864,000 MiB: 843.75 GiB, 512 in use of each: 2, and a copy of each.
        #expect(self.isNear(plan.value(of: "registry in Redis"), 843.75))
        #expect(plan.count(of: "Redis") == 4)
        #expect(plan.warnings.contains { $0.contains("one Redis") })
    }

    @Test("What bounds a kind of machine is named")
    func bounds() throws {
        var sizes = NodeSizes()
        sizes.sessionsPerEdge = 1_000_000
        var costs = self.costs
        var plan = try ClusterPlan(self.workload, sizes: sizes, costs: costs)
        #expect(plan.machines[0].boundBy == "processors" || plan.machines[0].count == 2)
        costs.edgeSessionMemory.value = 1_048_576
        plan = try ClusterPlan(self.workload, sizes: sizes, costs: costs)
        #expect(plan.machines[0].boundBy == "memory")
        sizes.shardDiskGiB = 10
        plan = try ClusterPlan(self.workload, sizes: sizes, costs: costs)
        #expect(plan.machines[2].boundBy == "disk")
        // 82.4 GiB, 7 of 10 in use.
        #expect(plan.count(of: "shard") == 12)
    }

    @Test("With one edge a message is one frame, with many as many as it has receivers")
    func frames() throws {
        var workload = self.workload
        workload.groupShare = 1
        workload.devicesPerUser = 1
        var sizes = NodeSizes()
        sizes.sessionsPerEdge = 1_000_000
        var costs = UnitCosts()
        let few = try ClusterPlan(workload, sizes: sizes, costs: costs)
        #expect(few.count(of: "edge") == 2)
        #expect(self.isNear(few.value(of: "frames to edges"), 200))
        sizes.sessionsPerEdge = 10
        costs.edgeFrame.value = 0
        let many = try ClusterPlan(workload, sizes: sizes, costs: costs)
        let frames = try #require(many.value(of: "frames to edges"))
        // Ten receivers on 86,400 edges: two of them on one edge once in two thousand messages.
        #expect(frames < 2000 && frames > 1998)
    }

    @Test("More of anything never asks for less", arguments: Workload.Preset.allCases)
    func monotonous(preset: Workload.Preset) throws {
        let base = preset.workload
        let changes: [(String, (inout Workload) -> Void)] = [
            ("users", { $0.users *= 2 }), ("online", { $0.onlineShare *= 1.5 }),
            ("devices", { $0.devicesPerUser *= 2 }),
            ("messages", { $0.messagesPerDay *= 2 }), ("peak", { $0.peakFactor *= 2 }),
            ("group share", { $0.groupShare *= 1.5 }), ("bytes", { $0.bodyBytes *= 2 }),
            ("beginnings", { $0.sessionsPerDeviceAndDay *= 2 }), ("retention", { $0.retentionDays *= 2 }),
            ("sizes of groups", { workload in for i in workload.groups.indices { workload.groups[i].members *= 2 } }),
        ]
        let before = try ClusterPlan(base)
        for (name, change) in changes {
            var workload = base
            change(&workload)
            let after = try ClusterPlan(workload)
            for (less, more) in zip(before.machines, after.machines) {
                #expect(less.count <= more.count, "\(name): \(less.kind)")
            }
            for (less, more) in zip(before.demand, after.demand) where less.unit != "ms" && less.unit != "s" {
                #expect(less.value <= more.value * (1 + 1e-9), "\(name): \(less.name)")
            }
        }
        var sizes = NodeSizes()
        sizes.utilisation = 0.3
        let roomier = try ClusterPlan(base, sizes: sizes)
        for (less, more) in zip(before.machines, roomier.machines) { #expect(less.count <= more.count) }
    }

    @Test("A billion users, and what stands in their way, is told")
    func billion() throws {
        var sizes = NodeSizes()
        sizes.sessionsPerEdge = 200_000
        let plan = try ClusterPlan(Workload.Preset.billion.workload, sizes: sizes)
        #expect(self.isNear(plan.value(of: "sessions"), 300_000_000))
        #expect(self.isNear(plan.value(of: "messages"), 50e9 / 86_400 * 2.5))
        #expect(plan.count(of: "edge") >= 1500)
        #expect(plan.warnings.contains { $0.contains("100,000 members") })
        #expect(plan.warnings.contains { $0.contains("limits.sessions_per_edge") })
        let text = plan.text()
        for name in ["edge", "router", "shard", "Redis", "bench/README.md", "assumed", "Mind:"] {
            #expect(text.contains(name), "\(name)")
        }
        #expect(!text.contains("COST OF A MONTH"))
    }

    @Test("Only what has a price is part of the cost")
    func cost() throws {
        var sizes = NodeSizes()
        sizes.utilisation = 0.5
        sizes.sessionsPerEdge = 100_000
        sizes.redisMemoryGiB = 1024
        var prices = Prices()
        prices.coreHour = 0.1
        var plan = try ClusterPlan(self.workload, sizes: sizes, costs: self.costs, prices: prices)
        // 10 edges and 4 routers of 8, 4 databases of 16, 4 Redis of 2: 184 cores.
        #expect(plan.expenses.count == 1 && self.isNear(plan.expenses.first?.perMonth, 184 * 0.1 * 730))
        prices.diskGibibyteMonth = 0.5
        plan = try ClusterPlan(self.workload, sizes: sizes, costs: self.costs, prices: prices)
        #expect(plan.expenses.count == 2 && self.isNear(plan.expenses.last?.perMonth, 4 * 4096 * 0.5))
        #expect(plan.text().contains("COST OF A MONTH"))
    }

    @Test("What makes no sense is refused, all of it at once")
    func nonsense() throws {
        var workload = self.workload
        workload.users = 0
        workload.onlineShare = 1.5
        workload.groups = [.init(members: 1, share: 0.7)]
        workload.peakFactor = .nan
        var sizes = NodeSizes()
        sizes.utilisation = 0
        sizes.edgeCores = 0
        var costs = UnitCosts()
        costs.routerMessage.value = -1
        var prices = Prices()
        prices.coreHour = .infinity
        let error = try #require(throws: OperationsError.self) {
            try ClusterPlan(workload, sizes: sizes, costs: costs, prices: prices)
        }
        for part in [
            "at least one user", "online", "peak", "two members", "add up to 100 %", "utilisations", "cores",
            "router, a message", "prices",
        ] {
            #expect(error.message.contains(part), "\(part)")
        }
    }

    @Test("Nobody sends anything: one of each, and one to spare")
    func nothing() throws {
        var workload = self.workload
        workload.messagesPerDay = 0
        workload.users = 1
        let plan = try ClusterPlan(workload)
        #expect(plan.count(of: "edge") == 2 && plan.count(of: "router") == 2 && plan.count(of: "shard") == 1)
        let json = try plan.json()
        #expect(json.contains("\"machines\"") && !json.contains("nan"))
    }

    // MARK: - Reports of the load generator

    private func report(delivered: Int, acknowledged: Int, edge: Double, router: Double?) -> [UInt8] {
        let routerNode = router.map { #",{"role":"router","name":"r","measured_cpu_seconds":\#($0)}"# } ?? ""
        return Array(
            """
            {"format_version":1,"time_series":{"interval_seconds":1,
              "intervals":[{"start_seconds":0,"acknowledged":7},{"start_seconds":1,"acknowledged":\(acknowledged)}],
              "measured_span":{"delivered":\(delivered),"start_seconds":1,"end_seconds":2},
              "nodes":[{"role":"generator","name":"g","measured_cpu_seconds":9},
                       {"role":"edge","name":"e","measured_cpu_seconds":\(edge)}\(routerNode)]}}
            """.utf8
        )
    }

    @Test("A report of messages to many tells what a delivery costs, one of direct messages what a message does")
    func reports() throws {
        var costs = UnitCosts()
        try costs.take(
            report: self.report(delivered: 100_000, acknowledged: 1000, edge: 2, router: 0.1),
            named: "a.json"
        )
        #expect(self.isNear(costs.edgeDelivery.value, 20) && self.isNear(costs.routerMessage.value, 100))
        #expect(costs.edgeDelivery.source.hasPrefix("a.json"))
        try costs.take(
            report: self.report(delivered: 1000, acknowledged: 1000, edge: 0.1, router: nil),
            named: "b.json"
        )
        // 100 µs, less a frame of 20 and a delivery of 20.
        #expect(self.isNear(costs.edgeMessage.value, 60) && self.isNear(costs.routerMessage.value, 100))
    }

    @Test(
        "A file that is no such report is refused",
        arguments: [
            "", "[]", #"{"format_version":2,"time_series":{"intervals":[],"nodes":[]}}"#,
            #"{"format_version":1,"time_series":{"intervals":[],"nodes":[]}}"#,
        ]
    )
    func noReport(text: String) {
        var costs = UnitCosts()
        #expect(throws: OperationsError.self) { try costs.take(report: Array(text.utf8), named: "x.json") }
    }
}
