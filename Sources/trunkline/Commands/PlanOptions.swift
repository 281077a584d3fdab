// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

/// What people do. What is not said is the preset's.
struct WorkloadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Users that there are.", valueName: "n"))
    var users: Quantity?

    @Option(help: ArgumentHelp("Of a hundred users, those who are online in the busiest hour.", valueName: "percent"))
    var online: Percentage?

    @Option(help: ArgumentHelp("Connected devices of a user who is online.", valueName: "n"))
    var devices: Double?

    @Option(help: ArgumentHelp("Messages that are sent in a day.", valueName: "n"))
    var messages: Quantity?

    @Option(help: ArgumentHelp("Messages in the busiest minutes by those of average ones.", valueName: "factor"))
    var peak: Double?

    @Option(help: ArgumentHelp("Of a hundred messages, those in groups.", valueName: "percent"))
    var inGroups: Percentage?

    @Option(
        help: ArgumentHelp(
            "Members of groups, each with how many of a hundred messages in groups go to such: 10:70,100:30.",
            valueName: "list"
        )
    )
    var groups: GroupList?

    @Option(help: ArgumentHelp("Bytes of a message's body.", valueName: "n"))
    var bodyBytes: Int?

    @Option(name: .customLong("protocol"), help: "What clients speak: json or binary.")
    var encoding: Workload.ClientEncoding?

    @Option(help: ArgumentHelp("Sessions that a device begins in a day.", valueName: "n"))
    var sessionsPerDay: Double?

    @Option(help: ArgumentHelp("Days for which Postgres keeps messages.", valueName: "days"))
    var retention: Double?

    func applied(to preset: Workload) -> Workload {
        var workload = preset
        workload.users = self.users?.value ?? preset.users
        workload.onlineShare = self.online?.share ?? preset.onlineShare
        workload.devicesPerUser = self.devices ?? preset.devicesPerUser
        workload.messagesPerDay = self.messages?.value ?? preset.messagesPerDay
        workload.peakFactor = self.peak ?? preset.peakFactor
        workload.groupShare = self.inGroups?.share ?? preset.groupShare
        workload.groups = self.groups?.classes ?? preset.groups
        workload.bodyBytes = self.bodyBytes ?? preset.bodyBytes
        workload.encoding = self.encoding ?? preset.encoding
        workload.sessionsPerDeviceAndDay = self.sessionsPerDay ?? preset.sessionsPerDeviceAndDay
        workload.retentionDays = self.retention ?? preset.retentionDays
        return workload
    }
}

/// What machines there are.
struct NodeSizeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How full processors and memory may be in the busiest minutes.", valueName: "percent"))
    var utilisation = Percentage(share: 0.6)

    @Option(help: ArgumentHelp("Edges, and routers, beside those that are needed.", valueName: "n"))
    var spare = 1

    @Option(help: ArgumentHelp("Processors of an edge.", valueName: "n"))
    var edgeCores = 8

    @Option(help: ArgumentHelp("Memory of an edge.", valueName: "GiB"))
    var edgeMemory = 16.0

    @Option(
        help: ArgumentHelp(
            "limits.sessions_per_edge (default: 20000; billion: 200000)",
            valueName: "n"
        )
    )
    var sessionsPerEdge: Int?

    @Option(help: ArgumentHelp("Processors of a router.", valueName: "n"))
    var routerCores = 8

    @Option(help: ArgumentHelp("Memory of a router.", valueName: "GiB"))
    var routerMemory = 16.0

    @Option(help: ArgumentHelp("Processors of a shard's Postgres.", valueName: "n"))
    var shardCores = 16

    @Option(help: ArgumentHelp("Memory of a shard's Postgres.", valueName: "GiB"))
    var shardMemory = 128.0

    @Option(help: ArgumentHelp("Disk of a shard's Postgres.", valueName: "GiB"))
    var shardDisk = 4096.0

    @Option(help: ArgumentHelp("How full a disk may be.", valueName: "percent"))
    var diskUtilisation = Percentage(share: 0.7)

    @Option(help: ArgumentHelp("Replicas of each shard.", valueName: "n"))
    var replicas = 1

    @Option(help: ArgumentHelp("Memory of a Redis.", valueName: "GiB"))
    var redisMemory = 64.0

    @Option(help: ArgumentHelp("Replicas of Redis.", valueName: "n"))
    var redisReplicas = 1

    @Option(
        help: ArgumentHelp("What LZ4 leaves of the mesh's bytes; ciphertext does not shrink.", valueName: "percent")
    )
    var meshCompression = Percentage(share: 1)

    func sizes(for preset: Workload.Preset) -> NodeSizes {
        var sizes = NodeSizes()
        sizes.utilisation = self.utilisation.share
        sizes.spare = self.spare
        sizes.edgeCores = self.edgeCores
        sizes.edgeMemoryGiB = self.edgeMemory
        sizes.sessionsPerEdge = self.sessionsPerEdge ?? (preset == .billion ? 200_000 : sizes.sessionsPerEdge)
        sizes.routerCores = self.routerCores
        sizes.routerMemoryGiB = self.routerMemory
        sizes.shardCores = self.shardCores
        sizes.shardMemoryGiB = self.shardMemory
        sizes.shardDiskGiB = self.shardDisk
        sizes.diskUtilisation = self.diskUtilisation.share
        sizes.replicas = self.replicas
        sizes.redisMemoryGiB = self.redisMemory
        sizes.redisReplicas = self.redisReplicas
        sizes.meshCompression = self.meshCompression.share
        return sizes
    }
}

/// In whatever currency; without any, the plan tells no cost.
struct PriceOptions: ParsableArguments {
    @Option(name: .customLong("price-core-hour"), help: ArgumentHelp("Of a processor for an hour.", valueName: "price"))
    var coreHour: Double?

    @Option(name: .customLong("price-memory-hour"), help: ArgumentHelp("Of a GiB for an hour.", valueName: "price"))
    var memoryHour: Double?

    @Option(name: .customLong("price-disk"), help: ArgumentHelp("Of a GiB of disk for a month.", valueName: "price"))
    var disk: Double?

    @Option(name: .customLong("price-traffic"), help: ArgumentHelp("Of a GiB sent to clients.", valueName: "price"))
    var traffic: Double?

    var prices: Prices {
        var prices = Prices()
        prices.coreHour = self.coreHour
        prices.gibibyteHour = self.memoryHour
        prices.diskGibibyteMonth = self.disk
        prices.trafficGibibyte = self.traffic
        return prices
    }
}

extension Percentage {
    init(share: Double) { self.share = share }

    var defaultValueDescription: String { "\(Int((self.share * 100).rounded()))" }
}
