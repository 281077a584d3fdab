// SPDX-License-Identifier: Apache-2.0

/// What people ask of a cluster, for ``ClusterPlan``.
package struct Workload: Sendable, Equatable, Encodable {
    /// Groups of one size.
    package struct GroupClass: Sendable, Equatable, Encodable {
        package var members: Int
        /// Of all messages in groups, 0 to 1.
        package var share: Double

        package init(members: Int, share: Double) {
            self.members = members
            self.share = share
        }
    }

    /// What the devices speak.
    package enum ClientEncoding: String, Sendable, CaseIterable, Encodable {
        case json, binary
    }

    package var users: Int
    /// Users with a connected device in the busiest hour, 0 to 1.
    package var onlineShare: Double
    /// Connected devices of a user who is online.
    package var devicesPerUser: Double
    package var messagesPerDay: Int
    /// Messages per second in the busiest minutes, by those of an average second.
    package var peakFactor: Double
    /// Of all messages, those in groups, 0 to 1.
    package var groupShare: Double
    package var groups: [GroupClass]
    package var bodyBytes: Int
    package var encoding: ClientEncoding
    /// How often a connected device begins a session in a day.
    package var sessionsPerDeviceAndDay: Double
    /// How long messages stay in Postgres.
    package var retentionDays: Double

    package init(
        users: Int,
        onlineShare: Double,
        devicesPerUser: Double,
        messagesPerDay: Int,
        peakFactor: Double,
        groupShare: Double,
        groups: [GroupClass],
        bodyBytes: Int = 200,
        encoding: ClientEncoding = .binary,
        sessionsPerDeviceAndDay: Double = 20,
        retentionDays: Double = 365
    ) {
        self.users = users
        self.onlineShare = onlineShare
        self.devicesPerUser = devicesPerUser
        self.messagesPerDay = messagesPerDay
        self.peakFactor = peakFactor
        self.groupShare = groupShare
        self.groups = groups
        self.bodyBytes = bodyBytes
        self.encoding = encoding
        self.sessionsPerDeviceAndDay = sessionsPerDeviceAndDay
        self.retentionDays = retentionDays
    }

    /// Workloads with a name. Their users, messages and groups are examples, but for the billion, which is what Trunkline
    /// is designed for: 50 messages of each user a day, 40 % of them in groups of up to a million.
    package enum Preset: String, Sendable, CaseIterable {
        case company, city, billion

        package var workload: Workload {
            switch self {
            case .company:
                Workload(
                    users: 10_000,
                    onlineShare: 0.6,
                    devicesPerUser: 1.5,
                    messagesPerDay: 500_000,
                    peakFactor: 4,
                    groupShare: 0.4,
                    groups: [
                        GroupClass(members: 10, share: 0.6), GroupClass(members: 50, share: 0.35),
                        GroupClass(members: 1000, share: 0.05),
                    ]
                )
            case .city:
                Workload(
                    users: 1_000_000,
                    onlineShare: 0.3,
                    devicesPerUser: 1.2,
                    messagesPerDay: 50_000_000,
                    peakFactor: 3,
                    groupShare: 0.4,
                    groups: [
                        GroupClass(members: 10, share: 0.7), GroupClass(members: 100, share: 0.27),
                        GroupClass(members: 1000, share: 0.0299), GroupClass(members: 100_000, share: 0.0001),
                    ]
                )
            case .billion:
                Workload(
                    users: 1_000_000_000,
                    onlineShare: 0.25,
                    devicesPerUser: 1.2,
                    messagesPerDay: 50_000_000_000,
                    peakFactor: 2.5,
                    groupShare: 0.4,
                    groups: [
                        GroupClass(members: 10, share: 0.7), GroupClass(members: 100, share: 0.27),
                        GroupClass(members: 1000, share: 0.0299), GroupClass(members: 100_000, share: 0.000_099),
                        GroupClass(members: 1_000_000, share: 0.000_001),
                    ],
                    retentionDays: 30
                )
            }
        }
    }

    /// What makes no sense, one sentence each; empty when all is well.
    package var problems: [String] {
        var problems: [String] = []
        func check(_ isRight: Bool, _ problem: String) {
            if !isRight { problems.append(problem) }
        }
        check(self.users >= 1 && self.users <= 1_000_000_000_000, "there is at least one user, and at most 10^12")
        check(self.onlineShare > 0 && self.onlineShare <= 1, "the share that is online is above 0 % and at most 100 %")
        check(self.devicesPerUser >= 1 && self.devicesPerUser <= 100, "a user who is online has 1 to 100 devices")
        check(
            self.messagesPerDay >= 0 && self.messagesPerDay <= 1_000_000_000_000_000,
            "messages a day are 0 to 10^15"
        )
        check(self.peakFactor >= 1 && self.peakFactor <= 1000, "the peak is 1 to 1000 times the average")
        check(self.groupShare >= 0 && self.groupShare <= 1, "the share of messages in groups is 0 % to 100 %")
        check(self.groupShare == 0 || !self.groups.isEmpty, "messages in groups need at least one size of group")
        check(
            self.groups.allSatisfy { $0.members >= 2 && $0.share >= 0 },
            "a group has two members or more, and no share is below 0 %"
        )
        let sum = self.groups.reduce(0) { $0 + $1.share }
        check(self.groups.isEmpty || abs(sum - 1) < 0.000_1, "the shares of the groups add up to 100 %")
        check((1...65_536).contains(self.bodyBytes), "a message has 1 to 65536 bytes")
        check(
            self.sessionsPerDeviceAndDay >= 0 && self.sessionsPerDeviceAndDay <= 86_400,
            "a device begins 0 to 86400 sessions a day"
        )
        check(self.retentionDays > 0 && self.retentionDays <= 36_500, "messages are kept above 0 and up to 36500 days")
        return problems
    }
}
