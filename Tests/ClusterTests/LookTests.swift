// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("Verbs that only look", .timeLimit(.minutes(5)))
    struct LookTests {
        private static func json(
            _ arguments: [String],
            _ cluster: TestCluster,
            _ changes: [String: String] = [:]
        ) async throws -> JSONValue {
            let run = try await CommandLineTests.run(arguments + ["--json"], cluster, changes)
            #expect(run.status == 0, "\(run.text)")
            return try JSONValue(json: run.text)
        }

        @Test("nodes: every node with what it does, as its own metrics say")
        func nodes() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let nodes = try await Self.json(["nodes"], cluster)["nodes"]?.array ?? []
            for node in cluster.nodes {
                let told = try #require(nodes.first { $0["name"]?.string == node.name })
                #expect(told["role"]?.string == (node.isRouter ? "router" : "edge") && told["state"]?.string == "ready")
                #expect(told["address"]?.string == "127.0.0.1:\(node.httpPort)" && told["problem"] == nil)
                #expect(told["incarnation"]?.string?.count == 36 && told["version"]?.string?.isEmpty == false)
            }
            let slots = nodes.compactMap { $0["slots"]?.integer }
            #expect(slots.count == 2 && slots.reduce(0, +) == 4096)
            let text = try await CommandLineTests.run(["nodes"], cluster)
            #expect(text.status == 0 && text.text.contains("edge-2") && text.text.contains(" slots"), "\(text.text)")
        }

        @Test("slots: all of them, each once, and what is asked for is found")
        func slots() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let all = try await Self.json(["slots"], cluster)["shares"]?.array ?? []
            var seen: Set<Int64> = []
            for share in all {
                for range in share["ranges"]?.array ?? [] {
                    let ends = range.array?.compactMap(\.integer) ?? []
                    for number in ends[0]...ends[1] {
                        let isNew = seen.insert(number).inserted
                        #expect(isNew)
                    }
                }
            }
            #expect(seen == Set(0..<4096) && all.count == 4)
            let one = try await Self.json(["slots", "--shard", "shard-2", "--router", "router-1"], cluster)
            #expect(
                one["shares"]?.array
                    == all.filter {
                        $0["shard"]?.string == "shard-2" && $0["router"]?.string == "router-1"
                    }
            )
            let text = try await CommandLineTests.run(["slots"], cluster).text
            let rows = text.split(separator: "\n").filter { $0.hasPrefix("shard-") }
            #expect(rows.count == 4, "\(text)")
            let listed = try await CommandLineTests.run(["slots", "--shard", "shard-2"], cluster).text
            #expect(listed.contains("shard-2, router-1, epoch ") && listed.count > text.count, "\(listed)")
            let wrong = try await CommandLineTests.run(["slots", "--shard", "shard-9"], cluster)
            #expect(wrong.status == 1 && wrong.text.contains("it has shard-1, shard-2"), "\(wrong.text)")
            let nobody = try await CommandLineTests.run(["slots", "--router", "router-9"], cluster)
            #expect(nobody.status == 1 && nobody.text.contains("router-1, router-2"), "\(nobody.text)")
        }

        @Test("owner: of a conversation that is used, its audience too; nothing that people wrote")
        func owner() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let conversation = try await anna.createConversation("direct", with: [ben], port: cluster.edge(1))
            let quiet = try await Self.json(["owner", conversation], cluster)
            #expect(quiet["conversation"]?["head_seq"]?.integer == 0 && quiet["conversation"]?["members"]?.integer == 2)
            let annas = try await anna.connect(port: cluster.edge(1))
            let bens = try await ben.connect(port: cluster.edge(2))
            try await cluster.send(annas, conversation, "a secret of theirs")
            try await eventually("Ben has it") { bens.received(conversation).count == 1 }

            let told = try await Self.json(["owner", conversation], cluster)
            #expect(
                told["conversation"]?["head_seq"]?.integer == 1 && told["conversation"]?["kind"]?.string == "direct"
            )
            let edges = told["audience"]?["edges"]?.array?.compactMap { $0["edge"]?.string }
            #expect(edges == ["edge-1", "edge-2"], "\(told)")
            let (slot, router) = (try #require(told["slot"]?.integer), try #require(told["router"]?.string))
            let share = try await Self.json(["slots", "--router", router], cluster)["shares"]?.array?
                .first { $0["shard"] == told["shard"] }
            let holds = share?["ranges"]?.array?.contains { range in
                let ends = range.array?.compactMap(\.integer) ?? []
                return ends[0] <= slot && slot <= ends[1]
            }
            #expect(holds == true && share?["epoch"] == told["epoch"])
            #expect(told["ring"]?["next"]?.string != router)
            let text = try await CommandLineTests.run(["owner", conversation], cluster)
            #expect(text.text.contains("the next point") && text.text.contains("edge-2 (1 user)"), "\(text.text)")
            #expect(!text.text.contains("a secret of theirs"))
            // Whoever may only look may ask; whoever shows another secret is told the rest all the same.
            let reader = try await Self.json(
                ["owner", conversation],
                cluster,
                ["OPERATE_SECRET": "no secret of theirs"]
            )
            #expect(reader["audience"]?["is_known"]?.bool == true, "\(reader)")
            let stranger = try await Self.json(
                ["owner", conversation],
                cluster,
                ["READ_SECRET": "no secret of theirs"]
            )
            #expect(stranger["audience"] == nil && stranger["router"]?.string == router, "\(stranger)")
            #expect(stranger["unknown"]?.array?.first?.string?.contains("answers with 401") == true, "\(stranger)")
            withExtendedLifetime((annas, bens)) {}
        }

        @Test("owner: of an id that nobody has, and of what is no id; the admin interface asks for a token")
        func noOwner() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let unknown = "01990000-0000-7000-8000-0000000000aa"
            let told = try await Self.json(["owner", unknown], cluster)
            #expect(told["conversation"] == nil && told["router"]?.string?.isEmpty == false, "\(told)")
            #expect(told["audience"]?["is_known"]?.bool == false)
            let wrong = try await CommandLineTests.run(["owner", "nonsense"], cluster)
            #expect(wrong.status == 64, "\(wrong.text)")
            let path = "/admin/conversations/"
            func ask(_ id: String, _ token: String?) throws -> String {
                try cluster.request("GET", path + id, of: "router-1", token: token) ?? ""
            }
            #expect(try ask(unknown, nil).hasPrefix("HTTP/1.1 401"))
            #expect(try ask(unknown, TestCluster.readSecret).hasPrefix("HTTP/1.1 200"))
            #expect(try ask("nonsense", TestCluster.readSecret).hasPrefix("HTTP/1.1 400"))
        }

        @Test("sessions: by name and by id, while they are connected and afterwards")
        func sessions() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let anna = try await cluster.register("anna")
            let socket = try await anna.connect(port: cluster.edge(2))
            let byName = try await Self.json(["sessions", anna.username], cluster)
            let session = try #require(byName["sessions"]?.array?.first)
            #expect(session["edge"]?.string == "edge-2" && session["is_live"]?.bool == true, "\(byName)")
            #expect(session["device"]?.string == anna.device && byName["incomplete_edges"]?.array?.isEmpty == true)
            let byID = try await Self.json(["sessions", anna.id], cluster)
            #expect(byID == byName)
            let text = try await CommandLineTests.run(["sessions", anna.username], cluster)
            #expect(text.text.contains("1 session, 1 device") && text.text.contains("live"), "\(text.text)")
            socket.send(opcode: 8, [])
            _ = try await socket.waitUntilClosed()
            try await eventually("the session is gone") {
                try await Self.json(["sessions", anna.username], cluster)["sessions"]?.array?.isEmpty == true
            }
            let nobody = try await CommandLineTests.run(["sessions", "nobody-of-this-name"], cluster)
            #expect(nobody.status == 1 && nobody.text.contains("there is no user"), "\(nobody.text)")
        }

        @Test("top: into a file it prints once, with what was sent meanwhile")
        func top() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let conversation = try await anna.createConversation("direct", with: [ben], port: cluster.edge(1))
            let annas = try await anna.connect(port: cluster.edge(1))
            let bens = try await ben.connect(port: cluster.edge(2))
            let sender = Task {
                while !Task.isCancelled { try await cluster.send(annas, conversation, "tick") }
            }
            let top = try await Self.json(["top", "--interval", "500ms"], cluster)
            sender.cancel()
            _ = try? await sender.value
            #expect((top["sends"]?.double ?? 0) > 1 && (top["deliveries"]?.double ?? 0) > 1, "\(top)")
            #expect((top["sessions"]?.integer ?? 0) >= 2 && (top["nodes"]?.array?.count ?? 0) >= 4)
            let node = try #require(top["nodes"]?.array?.first { $0["name"]?.string == "edge-1" })
            #expect((node["resident_bytes"]?.double ?? 0) > 1_000_000 && (node["sends"]?.double ?? 0) > 1, "\(node)")
            let text = try await CommandLineTests.run(["top", "--once"], cluster)
            #expect(text.status == 0 && text.text.contains("DELIVERIES/S") && text.text.contains("MIB"), "\(text.text)")
            let often = try await CommandLineTests.run(["top", "--interval", "1ms"], cluster)
            #expect(often.status == 64)
            withExtendedLifetime(bens) {}
        }
    }
}
