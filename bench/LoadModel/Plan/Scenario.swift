// SPDX-License-Identifier: Apache-2.0

extension Topology {
    /// What a run is like. The names are those of the command line and of the reports.
    package enum Scenario: String, Sendable, Codable, CaseIterable {
        case direct
        case group
        /// Few members of each group send, all receive.
        case fanout
        /// Pairs and groups of many sizes at once, several devices to a user.
        case mixed
        /// Groups in which members come and go, and connections are cut.
        case churn
        /// Groups of which some members are away, and come back.
        case sync
        /// Sessions that are there and quiet.
        case idle
        /// As direct; then all connections are lost at once.
        case storm

        /// Whether it has pairs only.
        package var isDirect: Bool {
            switch self {
            case .direct, .storm, .idle: true
            case .group, .fanout, .mixed, .churn, .sync: false
            }
        }

        /// One line for who chooses.
        package var summary: String {
            switch self {
            case .direct: "pairs of users, the two on different edges"
            case .group: "groups in which everybody sends"
            case .fanout: "groups in which few send to many"
            case .mixed:
                "what people do: 60 % of the messages between two, 40 % in groups of 3 to --group-size, 2 devices a user"
            case .churn: "groups whose guests are added and removed all the time, while connections of members are cut"
            case .sync: "groups of which --away members are away until the middle, then all come back and catch up"
            case .idle: "sessions that are authenticated and quiet: how fast they begin, what each takes of its edge"
            case .storm: "as direct, and all connections are cut at once in the middle"
            }
        }
    }
}
