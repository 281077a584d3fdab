// SPDX-License-Identifier: Apache-2.0

import FaultModel
import TestSupport

/// Tells when everything goes on again after a fault, without anybody having helped.
struct Healing: Sendable {
    let cluster: FaultyCluster
    let clients: Clients

    private static let pause: Duration = .milliseconds(50)

    struct End: Sendable {
        var at: Microseconds?
        var remaining: String?
    }

    /// Waits until every sender got an acknowledgement for something it began after `since`, every device that is always
    /// there has all that was acknowledged by then, every shard commits to both its servers, every shard's view has all
    /// routers, and every node is ready.
    func wait(since: Microseconds, within limit: Duration) async -> End {
        let deadline = ContinuousClock.now + limit
        let heads = self.clients.recorder.heads
        let followed = self.followed
        while true {
            let reason = await self.remaining(since, heads, followed)
            guard let reason else { return End(at: RunClock.now(), remaining: nil) }
            guard ContinuousClock.now < deadline else { return End(at: nil, remaining: reason) }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// When nobody sends any more: waits until all is acknowledged and every device, those that come and go too, has all
    /// of it. What is missing after the limit is for the auditor to find.
    func settle(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        let recorder = self.clients.recorder
        while recorder.hasPending, ContinuousClock.now < deadline { try? await Task.sleep(for: Self.pause) }
        let everybody = Dictionary(
            uniqueKeysWithValues: self.clients.world.population.devices.map { device in
                (device.number, self.clients.world.conversations(of: device.user))
            }
        )
        let heads = recorder.heads
        while recorder.lateDevice(heads, followed: everybody) != nil, ContinuousClock.now < deadline {
            try? await Task.sleep(for: Self.pause)
        }
        while await self.clusterReason() != nil, ContinuousClock.now < deadline {
            try? await Task.sleep(for: Self.pause)
        }
    }

    private var followed: [Int: [Int]] {
        let population = self.clients.world.population
        return Dictionary(
            uniqueKeysWithValues: population.devices.filter(\.behaviour.isSteady).map { device in
                (device.number, population.conversations.filter { $0.members.contains(device.user) }.map(\.number))
            }
        )
    }

    private func remaining(_ since: Microseconds, _ heads: [UInt64], _ followed: [Int: [Int]]) async -> String? {
        let recorder = self.clients.recorder
        let senders = self.clients.world.population.senders
        let quiet = Set(senders.filter { $0.pauseMilliseconds == nil }.map(\.number))
        if let reason = recorder.stuckSender(since: since, senders: senders.count, quiet: quiet) { return reason }
        if let reason = recorder.lateDevice(heads, followed: followed) { return reason }
        return await self.clusterReason()
    }

    private func clusterReason() async -> String? {
        for node in self.cluster.nodes {
            if let reason = await self.cluster.unreadyReason(node.name) { return "\(node.name): \(reason)" }
        }
        let routers = self.cluster.routers.map(\.name).sorted().joined(separator: ",")
        for shard in self.cluster.shards {
            let view = try? await onThread {
                try shard.primary.query(
                    """
                    SELECT array_to_string(ARRAY(SELECT split_part(unnest(routers), '@', 1) ORDER BY 1), ',')
                    FROM shard_view
                    """,
                    database: FaultyCluster.database,
                    timeoutSeconds: 2
                )
            }
            guard view == [[routers]] else { return "the view of \(shard.name) is \(view?.first?.first ?? "unknown")" }
            let isReplicated = try? await onThread { shard.isReplicated() }
            guard isReplicated == true else { return "\(shard.name) has no replica" }
        }
        return nil
    }
}
