// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("The way of a message", .timeLimit(.minutes(3)))
    struct TraceTests {
        private static func trace(_ arguments: [String], _ cluster: TestCluster) async throws -> JSONValue {
            let run = try await CommandLineTests.run(["trace"] + arguments + ["--json"], cluster)
            #expect(run.status == 0, "\(run.text)")
            return try JSONValue(json: run.text)
        }

        @Test(
            "A message to a group: where it is, for whom it is, who has got and read it, who is away; not what it says"
        )
        func group() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let cleo = try await cluster.register("cleo")
            let conversation = try await anna.createConversation("group", with: [ben, cleo], port: cluster.edge(1))
            let annas = try await anna.connect(port: cluster.edge(1))
            let bens = try await ben.connect(port: cluster.edge(2))
            let seq = try await cluster.send(annas, conversation, "a secret of theirs")
            try await eventually("Ben has it") { bens.received(conversation).count == 1 }
            let id = "\(conversation).\(seq)"
            let read = try await ben.request(
                "PUT",
                "/api/messages/\(id)/status",
                port: cluster.edge(2),
                json: #"{"status":"read"}"#
            )
            #expect(read.status == 200 || read.status == 204, "\(read.status)")
            try await eventually("it is stored that he has read it") {
                try await Self.trace([id], cluster)["recipients"]?["read"]?.integer == 1
            }

            let told = try await Self.trace([id], cluster)
            #expect(told["message"]?.string == id && told["seq"]?.integer == seq && told["kind"]?.string == "text")
            #expect(told["sender"]?.string == anna.id && told["sender_device"]?.string == anna.device)
            #expect(told["body_bytes"]?.integer == 18 && told["is_client_id_kept"]?.bool == true)
            let way = try #require(told["milliseconds_on_the_way"]?.integer)
            #expect(told["accepted_at"]?.string?.hasSuffix("Z") == true && (-1000...60_000).contains(way), "\(told)")
            let recipients = try #require(told["recipients"])
            #expect(recipients["count"]?.integer == 2 && recipients["delivered"]?.integer == 1)
            #expect(recipients["connected"]?.integer == 1)
            #expect(recipients["edges"]?.array?.compactMap { $0["edge"]?.string } == ["edge-2"])
            let listed = try #require(told["listed"]?.array)
            #expect(listed.map { $0["user"]?.string } == [cleo.id, ben.id])
            #expect(listed.map { $0["status"]?.string } == ["sent", "read"])
            #expect(listed.map { $0["read_seq"]?.integer } == [0, seq])
            #expect(listed.map { $0["edges"]?.array?.count } == [0, 1])
            let place = try #require(told["conversation"])
            let owner = try JSONValue(
                json: try await CommandLineTests.run(["owner", conversation, "--json"], cluster).text
            )
            for field in ["slot", "shard", "epoch", "router", "map_version"] { #expect(place[field] == owner[field]) }
            try await eventually("no list waits for a change") {
                try await Self.trace([id], cluster)["list_changes"]?["waiting"]?.integer == 0
            }
            #expect(told["unknown"]?.array?.isEmpty == true, "\(told)")

            let text = try await CommandLineTests.run(["trace", conversation, "\(seq)"], cluster)
            #expect(text.status == 0 && text.text.contains("2: delivered to 1 of 2, read by 1"), "\(text.text)")
            #expect(text.text.contains("edge-2 (1 user)") && !text.text.contains("a secret of theirs"), "\(text.text)")
            withExtendedLifetime((annas, bens)) {}
        }

        @Test("What is no message: unknown ids fail, and what is no id is a wrong command line")
        func unknown() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let conversation = try await anna.createConversation("direct", with: [ben], port: cluster.edge(1))
            func run(_ arguments: String...) async throws -> (status: Int32, text: String) {
                try await CommandLineTests.run(["trace"] + arguments, cluster)
            }
            let early = try await run("\(conversation).1")
            #expect(early.status == 1 && early.text.contains("its newest is 0"), "\(early.text)")
            let nowhere = try await run("01990000-0000-7000-8000-0000000000aa", "3")
            #expect(nowhere.status == 1 && nowhere.text.contains("there is no conversation"), "\(nowhere.text)")
            for wrong in [
                ["nonsense"], [conversation], ["\(conversation).0"], [conversation, "0"], ["nonsense", "1"],
            ] {
                let run = try await CommandLineTests.run(["trace"] + wrong, cluster)
                #expect(run.status == 64, "\(wrong): \(run.text)")
            }
        }

        @Test("Without Redis all is told but where the recipients are")
        func withoutRedis() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 1, shards: 1)
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let conversation = try await anna.createConversation("direct", with: [ben], port: cluster.edge(1))
            let annas = try await anna.connect(port: cluster.edge(1))
            let seq = try await cluster.send(annas, conversation, "hello")
            try cluster.redis.kill()
            let told = try await Self.trace(["\(conversation).\(seq)"], cluster)
            #expect(told["recipients"]?["count"]?.integer == 1 && told["recipients"]?["connected"] == nil, "\(told)")
            let unknown = told["unknown"]?.array?.compactMap(\.string) ?? []
            #expect(unknown.contains { $0.hasPrefix("where its recipients are: Redis cannot be asked") }, "\(unknown)")
        }
    }
}
