// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement

extension PlanCalculation {
    typealias Quantity = ClusterPlan.Quantity
    typealias Machines = ClusterPlan.Machines

    // MARK: - Demand

    var demand: [Quantity] {
        let workload = self.workload
        let perMessage = Self.deliveriesPerMessage(workload)
        let messages = Self.messages(workload)
        return [
            Quantity(name: "sessions", value: Self.sessions(workload), unit: "", reason: "users × online × devices"),
            Quantity(name: "messages", value: messages, unit: "/s", reason: "messages a day / 86400 × peak"),
            Quantity(
                name: "deliveries of a message",
                value: perMessage,
                unit: "",
                reason: "(members − 1) × online × devices + the sender's other devices, by size of conversation"
            ),
            Quantity(
                name: "deliveries",
                value: messages * perMessage,
                unit: "/s",
                reason: "messages × deliveries of each"
            ),
            Quantity(
                name: "frames to edges",
                value: self.frames,
                unit: "/s",
                reason: "one for each edge with a receiver: edges × (1 − (1 − 1/edges)^receivers)"
            ),
            Quantity(
                name: "sessions that begin",
                value: Self.begins(workload),
                unit: "/s",
                reason: "sessions × beginnings a day / 86400 × peak"
            ),
            Quantity(
                name: "edges' processors",
                value: Self.edgeCores(workload, self.costs, edges: self.workingEdges),
                unit: "cores",
                reason: "messages, frames, deliveries, beginnings and heartbeats (every 30 s), each by its cost"
            ),
            Quantity(
                name: "routers' processors",
                value: self.routerCores,
                unit: "cores",
                reason: "messages, frames and beginnings, each by its cost"
            ),
            Quantity(
                name: "Postgres' processors",
                value: self.postgresCores,
                unit: "cores",
                reason: "messages and beginnings, each by its cost"
            ),
            Quantity(
                name: "stored messages",
                value: self.storedGiB,
                unit: "GiB",
                reason: "messages a day × days kept × (row + body), one copy"
            ),
            Quantity(name: "registry in Redis", value: self.redisGiB, unit: "GiB", reason: "sessions × entry"),
        ] + self.bandwidth + self.promises
    }

    private var bandwidth: [Quantity] {
        func megabits(_ bytes: Double) -> Double { bytes * 8 / 1e6 }
        return [
            Quantity(
                name: "to clients",
                value: megabits(self.clientBytesOut),
                unit: "Mbit/s",
                reason: "deliveries × event, and an answer for each message (\(self.workload.encoding.rawValue))"
            ),
            Quantity(
                name: "from clients",
                value: megabits(self.clientBytesIn),
                unit: "Mbit/s",
                reason: "messages × command (\(self.workload.encoding.rawValue))"
            ),
            Quantity(
                name: "on the mesh",
                value: megabits(self.meshBytes),
                unit: "Mbit/s",
                reason: "(messages + frames to edges) × (frame + body) × what LZ4 leaves"
            ),
        ]
    }

    /// What clients notice.
    private var promises: [Quantity] {
        let edges = Double(self.workingEdges + self.sizes.spare)
        let perEdge = Self.sessions(self.workload) / edges
        let largest = Self.conversations(self.workload).filter { $0.share > 0 }.map(\.members).max() ?? 2
        let receivers = Self.receivers(self.workload, members: largest)
        var promises = [
            Quantity(
                name: "a message to the largest group",
                value: receivers * self.costs.edgeDelivery.value / 1000 / edges / Double(self.sizes.edgeCores),
                unit: "ms",
                reason:
                    "\(largest) members: receivers × delivery / all processors of the edges; the last receiver's wait at best"
            )
        ]
        if edges > 1 {
            promises.append(
                Quantity(
                    name: "the clients of a lost edge are back",
                    value: perEdge / ((edges - 1) * self.sizes.authenticationsPerEdge),
                    unit: "s",
                    reason: "sessions of an edge / (other edges × rates.authentications_per_node)"
                )
            )
        }
        return promises
    }

    // MARK: - Machines

    var machines: [Machines] {
        [self.edges, self.routers, self.shards] + self.shardReplicas + [self.redis]
    }

    private var edges: Machines {
        Machines(
            kind: "edge",
            count: self.workingEdges + self.sizes.spare,
            cores: self.sizes.edgeCores,
            memoryGiB: self.sizes.edgeMemoryGiB,
            diskGiB: 0,
            boundBy: self.edgesBoundBy,
            reason:
                "the most that processors at \(self.percent), sessions or memory ask for, and \(self.sizes.spare) to spare"
        )
    }

    private var routers: Machines {
        Machines(
            kind: "router",
            count: Self.count(self.routerCores, by: Double(self.sizes.routerCores) * self.sizes.utilisation)
                + self.sizes.spare,
            cores: self.sizes.routerCores,
            memoryGiB: self.sizes.routerMemoryGiB,
            diskGiB: 0,
            boundBy: "processors",
            reason: "processors at \(self.percent), and \(self.sizes.spare) to spare"
        )
    }

    private var shards: Machines {
        let byProcessors = Self.count(self.postgresCores, by: Double(self.sizes.shardCores) * self.sizes.utilisation)
        let byDisk = Self.count(self.storedGiB, by: self.sizes.shardDiskGiB * self.sizes.diskUtilisation)
        return Machines(
            kind: "shard",
            count: max(byProcessors, byDisk),
            cores: self.sizes.shardCores,
            memoryGiB: self.sizes.shardMemoryGiB,
            diskGiB: self.sizes.shardDiskGiB,
            boundBy: byDisk > byProcessors ? "disk" : "processors",
            reason: "processors at \(self.percent) or disks filled to \(Self.percent(self.sizes.diskUtilisation))"
        )
    }

    private var shardReplicas: [Machines] {
        guard self.sizes.replicas > 0 else { return [] }
        var replicas = self.shards
        replicas.kind = "shard replica"
        replicas.count *= self.sizes.replicas
        replicas.boundBy = "shards"
        replicas.reason = "\(self.sizes.replicas) of each shard, for its fail-over"
        return [replicas]
    }

    private var redis: Machines {
        let servers = Self.count(self.redisGiB, by: self.sizes.redisMemoryGiB * self.sizes.utilisation)
        return Machines(
            kind: "Redis",
            count: servers * (1 + self.sizes.redisReplicas),
            cores: 2,
            memoryGiB: self.sizes.redisMemoryGiB,
            diskGiB: 0,
            boundBy: "memory",
            reason: "memory at \(self.percent), and \(self.sizes.redisReplicas) copies"
        )
    }

    private var percent: String { Self.percent(self.sizes.utilisation) }

    private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

    // MARK: - Cost

    func expenses(_ prices: Prices, _ machines: [Machines]) -> [ClusterPlan.Expense] {
        func total(_ amount: (Machines) -> Double) -> Double {
            machines.reduce(0) { $0 + Double($1.count) * amount($1) }
        }
        var expenses: [ClusterPlan.Expense] = []
        func add(_ name: String, _ price: Double?, _ amount: Double, _ reason: String) {
            if let price { expenses.append(.init(name: name, perMonth: price * amount, reason: reason)) }
        }
        add("processors", prices.coreHour, total { Double($0.cores) } * Self.hoursPerMonth, "cores × 730 h")
        add("memory", prices.gibibyteHour, total(\.memoryGiB) * Self.hoursPerMonth, "GiB × 730 h")
        add("disks", prices.diskGibibyteMonth, total(\.diskGiB), "GiB")
        let average = self.clientBytesOut / self.workload.peakFactor
        add(
            "traffic",
            prices.trafficGibibyte,
            average * Self.hoursPerMonth * 3600 / Self.gibibyte,
            "GiB to clients, on average"
        )
        return expenses
    }

    // MARK: - Warnings

    /// What bounds a cluster of this program today.
    var warnings: [String] {
        var warnings: [String] = []
        let routers = self.routers.count
        let nodes = self.workingEdges + self.sizes.spare + routers
        if let largest = self.workload.groups.filter({ $0.share > 0 }).map(\.members).max(), largest > 100_000 {
            warnings.append("groups beyond 100,000 members do not work yet; the plan has some of \(largest)")
        }
        if self.redisGiB > self.sizes.redisMemoryGiB * self.sizes.utilisation {
            warnings.append("the registry does not fit into one Redis, and this program knows one only")
        }
        if routers > Slot.count / 16 {
            warnings.append("\(routers) routers share \(Slot.count) slots: shares of so few are uneven")
        }
        if self.shards.count > Slot.count {
            warnings.append("there are \(Slot.count) slots, and each is on one shard; take larger disks")
        }
        if nodes > 500 {
            warnings.append(
                "each router has a link to each of the other \(nodes - 1) nodes; 4 in a cluster were measured"
            )
        }
        if self.sizes.sessionsPerEdge > 20_000 {
            warnings.append(
                "\(self.sizes.sessionsPerEdge) sessions on an edge need limits.sessions_per_edge and LimitNOFILE to be raised; "
                    + "5,000 were measured"
            )
        }
        if self.workload.retentionDays < 36_500 {
            warnings.append("nothing deletes or archives messages yet: after the days kept, that is up to you")
        }
        return warnings
    }
}
