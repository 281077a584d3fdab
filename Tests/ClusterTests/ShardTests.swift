// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Shards that come and go", .serialized, .timeLimit(.minutes(6)))
    struct ShardTests {
        private static func run(_ cluster: TestCluster, _ arguments: String...) async throws -> String {
            let (status, text) = try await CommandLineTests.run(arguments, cluster)
            try #require(status == 0, "\(arguments): \(text)")
            return text
        }

        /// An empty database that is no part of a cluster yet.
        private static func database() throws -> (server: PostgresServer, connection: String) {
            let server = try PostgresServer()
            try server.createDatabase(TestCluster.database)
            return (server, server.connectionString(database: TestCluster.database))
        }

        private static func slots(_ cluster: TestCluster, _ shard: String) throws -> Double {
            try cluster.routers.reduce(0) {
                $0 + (try cluster.metric("trunkline_router_slots_owned{shard=\"\(shard)\"}", of: $1.name))
            }
        }

        @Test("A third shard comes while messages are sent, the first one goes, and no client notices")
        func growAndShrink() async throws {
            let cluster = try await TestCluster()
            let third = try Self.database()
            let load = try await Load(cluster, conversations: 12)
            try await load.run {
                let trial = try await Self.run(
                    cluster,
                    "shard",
                    "add",
                    "shard-3",
                    "--connection",
                    third.connection,
                    "--dry-run"
                )
                #expect(trial.contains("would be added") && trial.contains("1365 slots"), "\(trial)")
                let added = try await Self.run(cluster, "shard", "add", "shard-3", "--connection", third.connection)
                #expect(added.contains("holds no slots yet"), "\(added)")
                let moved = try await Self.run(cluster, "move", "start", "--slots-at-a-time", "200")
                #expect(moved.contains("Done: 1365 of 1365 slots moved"), "\(moved)")
                try await eventually("the routers own the new shard's slots") {
                    try Self.slots(cluster, "shard-3") == 1365
                }
                let verified = try await Self.run(cluster, "move", "verify")
                #expect(verified.contains("Equal:"), "\(verified)")

                let (early, refusal) = try await CommandLineTests.run(["shard", "remove", "shard-1"], cluster)
                #expect(early == 1 && refusal.contains("holds 1366 slots"), "\(refusal)")
                let drained = try await Self.run(cluster, "shard", "drain", "shard-1", "--slots-at-a-time", "200")
                #expect(drained.contains("Done: 1366 of 1366 slots moved"), "\(drained)")
                let (unconfirmed, why) = try await CommandLineTests.run(["shard", "remove", "shard-1"], cluster)
                #expect(unconfirmed == 1 && why.contains("old copies"), "\(why)")
                _ = try await Self.run(cluster, "move", "confirm")
                _ = try await Self.run(cluster, "shard", "remove", "shard-1")
            }
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals)")
            }
            // Nobody needs it any more; not even those that start now.
            let gone = cluster.shards[0]
            try gone.stop(.immediate)
            #expect(try await cluster.stop("router-2") == 0)
            try cluster.start("router-2")
            try await cluster.waitUntilReady("router-2")
            let later = try await Load(cluster, conversations: 6)
            try await later.run {}
            for (index, conversation) in load.conversations.enumerated() {
                let history = try await cluster.history(conversation, as: load.senders[index].user)
                #expect(history.map(\.seq) == Array(1...Int64(max(1, history.count))))
            }
        }

        @Test("A new database may have the name of a shard that was removed; one whose database is gone can be let go")
        func sameNameAgain() async throws {
            let cluster = try await TestCluster()
            let former = try Self.database()
            _ = try await Self.run(cluster, "shard", "add", "shard-3", "--connection", former.connection)
            _ = try await Self.run(cluster, "move", "start", "--slots-at-a-time", "512")
            let migrated = try await Self.run(cluster, "migrate")
            #expect(migrated.contains("shard-3: up to date"), "\(migrated)")
            // Every router that comes or goes is one more view, so that the numbers of a new database would be lower.
            #expect(try await cluster.stop("router-2") == 0)
            try cluster.start("router-2")
            try await cluster.waitUntilReady("router-2")
            _ = try await Self.run(cluster, "shard", "drain", "shard-3", "--slots-at-a-time", "512")
            _ = try await Self.run(cluster, "move", "confirm")
            _ = try await Self.run(cluster, "shard", "remove", "shard-3")
            try former.server.stop(.immediate)

            let new = try Self.database()
            let load = try await Load(cluster, conversations: 12)
            try await load.run {
                _ = try await Self.run(cluster, "shard", "add", "shard-3", "--connection", new.connection)
                let moved = try await Self.run(cluster, "move", "start", "--slots-at-a-time", "200")
                #expect(moved.contains("Done: 1365 of 1365 slots moved"), "\(moved)")
                try await eventually("the routers own the slots in the new database") {
                    try Self.slots(cluster, "shard-3") == 1365
                }
                try await load.progress(2)
            }
            for sender in load.senders { #expect(sender.refusals.isEmpty, "\(sender.refusals)") }

            let gone = try Self.database()
            _ = try await Self.run(cluster, "shard", "add", "shard-4", "--connection", gone.connection)
            try gone.server.stop(.immediate)
            let (status, refusal) = try await CommandLineTests.run(["shard", "remove", "shard-4"], cluster)
            #expect(status == 1 && refusal.contains("shard remove shard-4 --force"), "\(refusal)")
            let holding = try await CommandLineTests.run(["shard", "remove", "shard-3", "--force"], cluster)
            #expect(holding.status == 1 && holding.text.contains("shard-4"), "\(holding.text)")
            _ = try await Self.run(cluster, "shard", "remove", "shard-4", "--force")
            let named = try await CommandLineTests.run(["shard", "add", "Shard 5", "--connection", "host=x"], cluster)
            #expect(named.status == 64 && named.text.contains("is not a name"), "\(named.text)")
        }

        @Test("An operator who is killed at any moment: senders go on, and who resumes brings it to its end")
        func killedOperator() async throws {
            let seed = UInt64.random(in: 0...999_999)
            var random = SeededRandom(seed: seed)
            let cluster = try await TestCluster(routers: 2, edges: 2, shards: 2)
            let third = try Self.database()
            _ = try await Self.run(cluster, "shard", "add", "shard-3", "--connection", third.connection)
            let load = try await Load(cluster, conversations: 8)
            let moments = (0..<4).map { _ in Int.random(in: 300...3000, using: &random) }
            try await load.run {
                var verb = "start"
                for (number, moment) in moments.enumerated() {
                    let process = try GuardedProcess(
                        [TestCluster.program("trunkline"), "move", verb, "--slots-at-a-time", "50"],
                        environment: cluster.environment,
                        output: "\(cluster.folder)/move-\(number).log"
                    )
                    // Whatever it is doing at that moment, by the seed.
                    try await Task.sleep(for: .milliseconds(moment))
                    process.signal(9)
                    try await eventually("it is gone") { process.exitStatus != nil }
                    if process.exitStatus == 0 { break }
                    try await load.progress(2)
                    let text = try await Self.run(cluster, "move", "status")
                    // Killed before it had begun there is nothing to resume.
                    verb = text.contains("No slots are being moved") ? "start" : "resume"
                }
                let status = try await Self.run(cluster, "move", "status")
                if !status.contains("No slots are being moved") {
                    _ = try await Self.run(cluster, "move", "resume", "--slots-at-a-time", "200")
                } else {
                    _ = try await Self.run(cluster, "move", "start", "--slots-at-a-time", "200")
                }
                let verified = try await Self.run(cluster, "move", "verify")
                #expect(verified.contains("Equal:"), "\(verified)")
                _ = try await Self.run(cluster, "move", "confirm")
            }
            try await eventually("the routers own the new shard's slots, seed \(seed)") {
                try Self.slots(cluster, "shard-3") == 1365
            }
            for sender in load.senders {
                #expect(sender.refusals.isEmpty, "\(sender.refusals), seed \(seed)")
            }
            for server in cluster.shards + [third.server] {
                let left = try server.query(
                    """
                    SELECT (SELECT count(*) FROM slot_transfers) + (SELECT count(*) FROM slot_changes)
                        + (SELECT count(*) FROM slot_move)
                        + (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'slot_change_%')
                        + (SELECT count(*) FROM pg_class WHERE relname LIKE 'moving_%')
                    """,
                    database: TestCluster.database
                )
                #expect(left == [["0"]], "debris, seed \(seed)")
            }
        }

        @Test("A move is paused, resumed, aborted and taken back; a second operator is told who the first is")
        func orders() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 1, shards: 1)
            let second = try Self.database()
            _ = try await Self.run(cluster, "shard", "add", "shard-2", "--connection", second.connection)
            func start(_ verb: String) throws -> GuardedProcess {
                try GuardedProcess(
                    [TestCluster.program("trunkline"), "move", verb, "--slots-at-a-time", "1"],
                    environment: cluster.environment,
                    output: "\(cluster.folder)/move-\(verb).log"
                )
            }
            let first = try start("start")
            try await eventually("slots move", within: .seconds(60)) { first.text.contains("of 2048 slots moved") }
            let (status, text) = try await CommandLineTests.run(["move", "start"], cluster)
            #expect(status == 1)
            #expect(text.contains("works on its slots") && text.contains("trunkline operator"), "\(text)")
            let (refused, why) = try await CommandLineTests.run(["shard", "weight", "shard-2", "3"], cluster)
            #expect(refused == 1, "\(why)")
            _ = try await Self.run(cluster, "move", "pause")
            try await eventually("it pauses", within: .seconds(60)) { first.exitStatus == 1 }
            #expect(first.text.contains("Paused:"), "\(first.text)")
            #expect(try await Self.run(cluster, "move", "status").contains("wish: pause"))
            let again = try start("resume")
            try await eventually("slots move", within: .seconds(60)) { again.text.contains("of 2048 slots moved") }
            _ = try await Self.run(cluster, "move", "abort")
            try await eventually("it ends", within: .seconds(60)) { again.exitStatus == 1 }
            #expect(again.text.contains("Aborted:"), "\(again.text)")
            let kept = try Self.slots(cluster, "shard-2")
            #expect(kept > 0 && kept < 2048)
            let back = try await Self.run(cluster, "move", "start", "--back", "--slots-at-a-time", "200")
            #expect(back.contains("Done:"), "\(back)")
            try await eventually("all is where it was") { try Self.slots(cluster, "shard-1") == 4096 }
            let (nothing, none) = try await CommandLineTests.run(["move", "pause"], cluster)
            #expect(nothing == 1 && none.contains("no slots are being moved"), "\(none)")
        }

        @Test("Bad orders are refused with what to do, and change nothing")
        func badOrders() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let own = cluster.shards[0].connectionString(database: TestCluster.database)
            let nowhere = "host=127.0.0.1 port=\(try TCPConnection.freePorts(1)[0]) user=postgres dbname=x"
            let missing = cluster.shards[0].connectionString(database: "not-there")
            let cases: [(arguments: [String], status: Int32, text: String)] = [
                (["shard", "add", "shard-9", "--connection", nowhere, "--dry-run"], 1, "start Postgres there"),
                (["shard", "add", "shard-9", "--connection", missing], 1, "make it with CREATE DATABASE"),
                (["shard", "add", "shard-9"], 1, "say it with --connection"),
                (["shard", "add", "shard-9", "--connection", "nonsense"], 1, "--connection"),
                (["shard", "add", "shard-9", "--connection", "dbname=x password=y"], 1, "holds a password"),
                (["shard", "add", "shard-9", "--connection", own], 1, "belongs to shard 'shard-1'"),
                (["shard", "add", "shard-1"], 0, "part of the cluster already"),
                (["shard", "add", "shard-9", "--weight", "0"], 64, "--weight is 1 to 1000"),
                (["shard", "remove", "shard-9"], 1, "there is no shard shard-9"),
                (["shard", "weight", "shard-1", "1001"], 64, "0 to 1000"),
                (["move", "resume"], 1, "no slots are being moved"),
                (["move", "abort"], 1, "no slots are being moved"),
                (["move", "start"], 0, "Nothing has to move"),
                (["move", "start", "--pause-max", "1ms"], 64, "at least 10ms"),
                (["move", "verify"], 0, "no old copies"),
            ]
            for (arguments, expected, part) in cases {
                let (status, text) = try await CommandLineTests.run(arguments, cluster)
                #expect(status == expected && text.contains(part), "\(arguments): \(status) \(text)")
            }
        }
    }
}
