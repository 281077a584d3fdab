// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The arithmetic of ``ClusterPlan``. Rates are those of the busiest minutes, a second.
struct PlanCalculation {
    static let secondsPerDay = 86_400.0
    static let hoursPerMonth = 730.0
    static let gibibyte = Double(1 << 30)

    let workload: Workload
    let sizes: NodeSizes
    let costs: UnitCosts
    /// Edges that are needed; ``NodeSizes/spare`` come on top.
    let workingEdges: Int
    let edgesBoundBy: String

    init(workload: Workload, sizes: NodeSizes, costs: UnitCosts) {
        self.workload = workload
        self.sizes = sizes
        self.costs = costs
        // More edges make more frames, and those more edges. Both only grow, and frames are no more than deliveries, so
        // that it comes to rest; the bound is for rounding.
        var needed = Self.edges(workload, sizes, costs, spreadOver: 1)
        for _ in 0..<1000 {
            let next = Self.edges(workload, sizes, costs, spreadOver: needed.count)
            guard next.count > needed.count else { break }
            needed = next
        }
        (self.workingEdges, self.edgesBoundBy) = needed
    }

    // MARK: - Load

    static func sessions(_ workload: Workload) -> Double {
        Double(workload.users) * workload.onlineShare * workload.devicesPerUser
    }

    static func messages(_ workload: Workload) -> Double {
        Double(workload.messagesPerDay) / Self.secondsPerDay * workload.peakFactor
    }

    /// Conversations by size, with their share of all messages.
    static func conversations(_ workload: Workload) -> [Workload.GroupClass] {
        [Workload.GroupClass(members: 2, share: 1 - workload.groupShare)]
            + workload.groups.map { .init(members: $0.members, share: $0.share * workload.groupShare) }
    }

    /// Sessions that a message goes to: those of the other members, and the sender's other devices.
    static func receivers(_ workload: Workload, members: Int) -> Double {
        Double(min(members, workload.users) - 1) * workload.onlineShare * workload.devicesPerUser
            + (workload.devicesPerUser - 1)
    }

    static func deliveriesPerMessage(_ workload: Workload) -> Double {
        Self.conversations(workload).reduce(0) { $0 + $1.share * Self.receivers(workload, members: $1.members) }
    }

    /// Edges that have at least one of so many sessions, when sessions are spread by chance.
    static func interestedEdges(sessions: Double, of edges: Int) -> Double {
        let count = Double(edges)
        return min(sessions, count * (1 - pow(1 - 1 / count, sessions)))
    }

    static func framesPerMessage(_ workload: Workload, edges: Int) -> Double {
        Self.conversations(workload).reduce(0) {
            $0 + $1.share * Self.interestedEdges(sessions: Self.receivers(workload, members: $1.members), of: edges)
        }
    }

    /// Sessions that begin.
    static func begins(_ workload: Workload) -> Double {
        Self.sessions(workload) * workload.sessionsPerDeviceAndDay / Self.secondsPerDay * workload.peakFactor
    }

    // MARK: - Edges

    /// Clients are told to send something every so many seconds (`timeouts.client_heartbeat`).
    static let heartbeatSeconds = 30.0

    static func edgeCores(_ workload: Workload, _ costs: UnitCosts, edges: Int) -> Double {
        let messages = Self.messages(workload)
        let microseconds =
            messages * costs.edgeMessage.value
            + messages * Self.framesPerMessage(workload, edges: edges) * costs.edgeFrame.value
            + messages * Self.deliveriesPerMessage(workload) * costs.edgeDelivery.value
            + Self.begins(workload) * costs.edgeSessionBegin.value
            + Self.sessions(workload) / Self.heartbeatSeconds * costs.edgeHeartbeat.value
        return microseconds / 1e6
    }

    private static func edges(
        _ workload: Workload,
        _ sizes: NodeSizes,
        _ costs: UnitCosts,
        spreadOver edges: Int
    ) -> (count: Int, boundBy: String) {
        let sessions = Self.sessions(workload)
        let cores = Self.edgeCores(workload, costs, edges: edges)
        let memory = sessions * costs.edgeSessionMemory.value / Self.gibibyte
        var most = (
            count: Self.count(cores, by: Double(sizes.edgeCores) * sizes.utilisation), boundBy: "processors"
        )
        let others = [
            (count: Self.count(sessions, by: Double(sizes.sessionsPerEdge)), boundBy: "sessions"),
            (count: Self.count(memory, by: sizes.edgeMemoryGiB * sizes.utilisation), boundBy: "memory"),
        ]
        for other in others where other.count > most.count { most = other }
        return most
    }

    /// How many of a size something fills; at least one.
    static func count(_ demand: Double, by size: Double) -> Int {
        // A hair above a whole number is rounding and no further machine.
        max(1, Int((demand / size - 1e-9).rounded(.up)))
    }

    // MARK: - Routers, Postgres, Redis

    var frames: Double {
        Self.messages(self.workload) * Self.framesPerMessage(self.workload, edges: self.workingEdges)
    }

    var routerCores: Double {
        let microseconds =
            Self.messages(self.workload) * self.costs.routerMessage.value
            + self.frames * self.costs.routerFrame.value
            + Self.begins(self.workload) * self.costs.routerSessionBegin.value
        return microseconds / 1e6
    }

    var postgresCores: Double {
        let microseconds =
            Self.messages(self.workload) * self.costs.postgresMessage.value
            + Self.begins(self.workload) * self.costs.postgresSessionBegin.value
        return microseconds / 1e6
    }

    var storedGiB: Double {
        Double(self.workload.messagesPerDay) * self.workload.retentionDays
            * (self.costs.storedMessage.value + Double(self.workload.bodyBytes)) / Self.gibibyte
    }

    var redisGiB: Double {
        Self.sessions(self.workload) * self.costs.redisSession.value / Self.gibibyte
    }

    // MARK: - Bandwidth, bytes a second

    var clientBytesOut: Double {
        let event = self.workload.encoding == .json ? self.costs.clientEventJSON : self.costs.clientEventBinary
        // The sender's answer has no body, but all the rest.
        let answer = event.value + self.costs.packet.value
        return Self.messages(self.workload)
            * (Self.deliveriesPerMessage(self.workload) * (answer + Double(self.workload.bodyBytes)) + answer)
    }

    var clientBytesIn: Double {
        let command = self.workload.encoding == .json ? self.costs.clientCommandJSON : self.costs.clientCommandBinary
        return Self.messages(self.workload)
            * (command.value + self.costs.packet.value + Double(self.workload.bodyBytes))
    }

    /// One frame with the message from its edge to its router, and those to the edges that need it.
    var meshBytes: Double {
        (Self.messages(self.workload) + self.frames)
            * (self.costs.meshFrame.value + Double(self.workload.bodyBytes)) * self.sizes.meshCompression
    }
}
