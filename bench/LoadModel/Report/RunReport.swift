// SPDX-License-Identifier: Apache-2.0

/// Everything that a run found out: the JSON file, and what the summary is made of.
package struct RunReport: Sendable, Codable {
    package struct Machine: Sendable, Codable {
        package var processor = ""
        package var cores = 0
        package var memoryMebibytes = 0
        package var kernel = ""

        package init() {}

        private enum CodingKeys: String, CodingKey {
            case processor, cores, kernel
            case memoryMebibytes = "memory_mib"
        }
    }

    package struct Settings: Sendable, Codable {
        package var edges: [String] = []
        package var scenario = Topology.Scenario.direct
        package var users = 0
        package var conversations = 0
        package var groupSize = 2
        /// Members of each conversation that send.
        package var senders = 2
        /// Users that are connected.
        package var connected = 2
        package var messagesPerSecond = 0.0
        package var durationSeconds = 0.0
        package var warmUpSeconds = 0.0
        package var bodyBytes = 0
        package var seed: UInt64 = 0
        package var eventLoops = 0
        package var allowedFailures = 0
        /// When all connections are cut, after the start of the sending.
        package var stormSeconds: Double?
        // Reports of earlier versions have none of the following.
        /// What the devices speak.
        package var subprotocol: String?
        package var devicesPerUser: Int?
        /// Of a hundred messages, those between two users; where there are groups too.
        package var directPercent: Int?
        /// Of the load generator.
        package var processes: Int?
        /// Of each group: users who come and go, and users who are away at first.
        package var guests: Int?
        package var away: Int?
        /// Comings, goings and cuts in a second.
        package var changesPerSecond: Double?
        /// Sessions that each event loop opened at a time.
        package var connectConcurrency: Int?

        package init() {}

        /// Devices that are connected.
        package var sessions: Int { self.connected * (self.devicesPerUser ?? 1) }

        private enum CodingKeys: String, CodingKey {
            case edges, scenario, users, conversations, senders, connected, seed
            case groupSize = "group_size"
            case messagesPerSecond = "messages_per_second"
            case durationSeconds = "duration_seconds"
            case warmUpSeconds = "warm_up_seconds"
            case bodyBytes = "body_bytes"
            case eventLoops = "event_loops"
            case allowedFailures = "allowed_failures"
            case stormSeconds = "storm_at_seconds"
            case subprotocol = "protocol"
            case devicesPerUser = "devices_per_user"
            case directPercent = "direct_percent"
            case connectConcurrency = "connect_concurrency"
            case processes, guests, away
            case changesPerSecond = "changes_per_second"
        }
    }

    package struct Pauses: Sendable, Codable {
        package var withoutAcknowledgement = EventTimeline.Pause(start: 0, milliseconds: 0)
        package var withoutDelivery = EventTimeline.Pause(start: 0, milliseconds: 0)

        package init() {}

        private enum CodingKeys: String, CodingKey {
            case withoutAcknowledgement = "without_acknowledgement"
            case withoutDelivery = "without_delivery"
        }
    }

    /// What the sessions went through.
    package struct Sessions: Sendable, Codable {
        package var connected = 0
        package var disconnections = 0
        /// Sessions that ended for good before the run did.
        package var ended = 0
        package var repeatedSends = 0
        package var retryableErrors: [String: Int] = [:]
        package var resyncs = 0
        package var pagesFetched = 0
        package var pagesFailed = 0
        package var gaps = 0
        package var liveDuplicates = 0
        package var liveOutOfOrder = 0
        /// Conversations of a device that were complete only after a question at the end.
        package var completedByFinalCatchUp = 0

        package init() {}

        package static func += (left: inout Self, right: Self) {
            left.connected += right.connected
            left.disconnections += right.disconnections
            left.ended += right.ended
            left.repeatedSends += right.repeatedSends
            left.retryableErrors.merge(right.retryableErrors, uniquingKeysWith: +)
            left.resyncs += right.resyncs
            left.pagesFetched += right.pagesFetched
            left.pagesFailed += right.pagesFailed
            left.gaps += right.gaps
            left.liveDuplicates += right.liveDuplicates
            left.liveOutOfOrder += right.liveOutOfOrder
            left.completedByFinalCatchUp += right.completedByFinalCatchUp
        }

        private enum CodingKeys: String, CodingKey {
            case connected, disconnections, ended, resyncs, gaps
            case repeatedSends = "repeated_sends"
            case retryableErrors = "retryable_errors_by_code"
            case pagesFetched = "pages_fetched"
            case pagesFailed = "pages_failed"
            case liveDuplicates = "live_duplicates"
            case liveOutOfOrder = "live_out_of_order"
            case completedByFinalCatchUp = "completed_by_final_catch_up"
        }
    }

    /// Raised when a figure changes its meaning or its place; what is only added does not raise it.
    package static let formatVersion = 1

    package var formatVersion = RunReport.formatVersion
    package var program = ""
    /// As it was given, the program first.
    package var commandLine: [String] = []
    package var run = ""
    package var startedAt = ""
    package var machine = Machine()
    package var settings = Settings()
    package var setupSeconds = 0.0
    /// Of those, from the first connection until all sessions were authenticated and up to date.
    package var connectSeconds = 0.0
    package var sendingSeconds = 0.0
    package var drainSeconds = 0.0
    package var auditSeconds = 0.0
    package var counts = RunCounts()
    package var acknowledgementLatency = LatencySummary()
    package var deliveryLatency = LatencySummary()
    /// From the planned time to the moment the generator got round to it.
    package var generatorLateness = LatencySummary()
    package var acknowledgementDistribution = LatencyDistribution()
    package var deliveryDistribution = LatencyDistribution()
    package var timeSeries = TimeSeries()
    package var pauses = Pauses()
    package var sessions = Sessions()
    package var returns = ReturnFigures()
    /// Of the nodes that were watched.
    package var memory: [NodeMemory] = []
    /// In the scenario of that name.
    package var storm: StormRule?
    package var audit = AuditResult()
    // Reports of earlier versions have none of the following.
    /// From the begin of a connection to the end of its authentication, before the sending.
    package var connectLatency: LatencySummary?
    /// Of the edges that were watched.
    package var sessionMemory: [SessionMemory]?
    /// Warm-up and measured time of all that was sent, from the start on.
    package var plannedSeconds: Double?
    package var ramp: RampReport?
    /// In the scenarios of these names.
    package var churn: ChurnFigures?
    package var sync: SyncFigures?
    /// Whether it was ended at the first violation, so that nothing was waited for.
    package var isCutShort: Bool?
    package var verdict = Verdict.held

    package init() {}

    private enum CodingKeys: String, CodingKey {
        case program, run, machine, settings, counts, pauses, sessions, returns, memory, storm, audit, verdict, ramp,
            churn, sync
        case connectLatency = "connect_latency"
        case sessionMemory = "session_memory"
        case plannedSeconds = "planned_seconds"
        case isCutShort = "cut_short"
        case formatVersion = "format_version"
        case commandLine = "command_line"
        case startedAt = "started_at"
        case setupSeconds = "setup_seconds"
        case connectSeconds = "connect_seconds"
        case sendingSeconds = "sending_seconds"
        case drainSeconds = "drain_seconds"
        case auditSeconds = "audit_seconds"
        case acknowledgementLatency = "acknowledgement_latency"
        case deliveryLatency = "delivery_latency"
        case generatorLateness = "generator_lateness"
        case acknowledgementDistribution = "acknowledgement_distribution"
        case deliveryDistribution = "delivery_distribution"
        case timeSeries = "time_series"
    }
}
