// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension ClusterTests {
    @Suite("The verbs of operators, on the command line and over HTTP", .timeLimit(.minutes(4)))
    struct VerbTests {
        struct Answer {
            var status: Int
            var body: String
            var json: JSONValue? { try? JSONValue(json: self.body) }
        }

        static func ask(
            _ path: String,
            _ cluster: TestCluster,
            _ method: String = "GET",
            of node: String = "router-1",
            token: String? = TestCluster.readSecret,
            body: String = ""
        ) async throws -> Answer {
            let text = try await onThread {
                try cluster.request(method, path, of: node, token: token, body: body) ?? ""
            }
            let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
            let words = text.prefix { $0 != "\r\n" }.split(separator: " ")
            let isChunked = parts.first?.lowercased().contains("transfer-encoding: chunked") == true
            try #require(!isChunked, "these answers have a length")
            return Answer(
                status: words.count > 1 ? Int(words[1]) ?? 0 : 0,
                body: parts.count > 1 ? String(parts[1]) : ""
            )
        }

        private struct Command {
            var name: String
            var abstract: String?
            var options: [String: String]
        }

        /// The commands that have no others below them. The one that stands for its group has the group's name.
        private static func leaves(_ command: JSONValue, _ path: [String] = []) -> [Command] {
            let below = (command["subcommands"]?.array ?? []).filter { $0["commandName"]?.string != "help" }
            guard below.isEmpty else {
                return below.flatMap { child -> [Command] in
                    let name = child["commandName"]?.string ?? ""
                    let isStandard = command["defaultSubcommand"]?.string == name
                    return Self.leaves(child, isStandard ? path : path + [name])
                }
            }
            var options: [String: String] = [:]
            for argument in command["arguments"]?.array ?? [] where argument["kind"]?.string != "positional" {
                guard let name = argument["preferredName"]?["name"]?.string,
                    !["config", "version", "help"].contains(name)
                else { continue }
                // The default of a time is a part of the command's text; until when is waited without one, of the verb's.
                let text = argument["abstract"]?.string ?? ""
                options["--\(name)"] = text.replacing(/\ \(default: \d+(?:ms|s|m)\)$/, with: "")
            }
            return [
                Command(name: path.joined(separator: " "), abstract: command["abstract"]?.string, options: options)
            ]
        }

        @Test("Every command is in the registry, with its words and its options, and every verb is a command")
        func commands() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let dump = try await CommandLineTests.run(["--experimental-dump-help"], cluster)
            let commands = Self.leaves(try #require(try JSONValue(json: dump.text)["command"]))
            let told = try await CommandLineTests.run(["verbs", "--json"], cluster)
            let verbs = try JSONValue(json: told.text)["verbs"]?.array ?? []
            let ofCommandLine = verbs.filter { $0["is_command"]?.bool == true }
            #expect(Set(commands.map(\.name)) == Set(ofCommandLine.compactMap { $0["name"]?.string }))
            for command in commands {
                let verb = try #require(verbs.first { $0["name"]?.string == command.name }, "\(command.name)")
                #expect(verb["summary"]?.string == command.abstract, "\(command.name)")
                // Those that concern this machine alone are left to their own help.
                guard verb["role"] != nil else { continue }
                var options: [String: String] = [:]
                for option in verb["options"]?.array ?? [] {
                    guard let name = option["option"]?.string else { continue }
                    options[name] = option["summary"]?.string ?? ""
                }
                #expect(options == command.options, "\(command.name)")
            }
            let text = try await CommandLineTests.run(["verbs"], cluster)
            #expect(text.status == 0 && text.text.contains("POST /admin/nodes/NODE/remove"), "\(text.text)")
        }

        @Test("Every path of the registry is there, for its role and nobody else")
        func roles() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let index = try await Self.ask("/admin", cluster)
            let verbs = try #require(index.json?["verbs"]?.array)
            let told = try await CommandLineTests.run(["verbs", "--json"], cluster)
            #expect(index.json == (try JSONValue(json: told.text)))
            for verb in verbs {
                guard let path = verb["path"]?.string, let method = verb["method"]?.string else { continue }
                // Names that nobody has: whoever is let through is told so.
                let asked = path.split(separator: "/").map { $0.allSatisfy(\.isUppercase) ? "nobody-of-it" : $0 }
                    .joined(separator: "/")
                let stranger = try await Self.ask("/" + asked, cluster, method, token: nil)
                #expect(stranger.status == 401, "\(path)")
                let wrong = try await Self.ask("/" + asked, cluster, method, token: "no secret of this cluster")
                #expect(wrong.status == 401, "\(path)")
                let reader = try await Self.ask("/" + asked, cluster, method)
                let mayRead = verb["role"]?.string == "read"
                #expect(mayRead ? [200, 400, 404, 503].contains(reader.status) : reader.status == 403, "\(path)")
            }
            for path in ["/admin/nonsense", "/admin/nodes/edge-1/explode/it"] {
                #expect(try await Self.ask(path, cluster, token: nil).status == 401)
                let answer = try await Self.ask(path, cluster)
                #expect(answer.status == 404 && answer.json?["remedy"]?.string?.contains("GET /admin") == true)
            }
        }

        @Test("What looks says the same over HTTP as on the command line")
        func looking() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            func command(_ arguments: String...) async throws -> JSONValue {
                try JSONValue(json: try await CommandLineTests.run(arguments + ["--json"], cluster).text)
            }
            let slots = try await Self.ask("/admin/slots?shard=shard-2&router=router-1", cluster, of: "router-2")
            #expect(slots.json == (try await command("slots", "--shard", "shard-2", "--router", "router-1")))
            #expect(try await Self.ask("/admin/ring", cluster).json == (try await command("ring")))
            #expect(try await Self.ask("/admin/shards", cluster).json == (try await command("shards")))
            #expect(try await Self.ask("/admin/move", cluster).json == (try await command("move", "status")))
            #expect(try await Self.ask("/admin/move/plan", cluster).json == (try await command("move", "plan")))
            let back = try await Self.ask("/admin/move/plan?back", cluster)
            #expect(back.status == 200 && back.json?["ways"]?.array?.isEmpty == true, "\(back)")
            let status = try await Self.ask("/admin/status", cluster)
            #expect(status.json?["nodes"]?.array?.count == cluster.nodes.count, "\(status)")
            let nodes = try await Self.ask("/admin/nodes", cluster)
            #expect(nodes.json?["nodes"]?.array?.compactMap { $0["problem"] }.isEmpty == true, "\(nodes)")
            let doctor = try await Self.ask("/admin/doctor", cluster)
            #expect(doctor.status == 200 && (doctor.json?["findings"]?.array?.count ?? 0) > 10, "\(doctor)")
            #expect(!doctor.body.contains(TestCluster.meshSecret))
            let log = try await Self.ask("/admin/log?last=3", cluster)
            #expect(log.json?["orders"]?.array != nil && log.json?["unreachable"]?.array?.isEmpty == true, "\(log)")
        }

        @Test("Conversations, users and messages over HTTP, and what is wrong with a question")
        func messages() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            let (anna, ben) = (try await cluster.register("anna"), try await cluster.register("ben"))
            let conversation = try await anna.createConversation("direct", with: [ben], port: cluster.edge(1))
            let annas = try await anna.connect(port: cluster.edge(1))
            let seq = try await cluster.send(annas, conversation, "a secret of theirs")
            let owner = try await Self.ask("/admin/conversations/\(conversation)/owner", cluster)
            #expect(owner.json?["conversation"]?["head_seq"]?.integer == seq, "\(owner)")
            #expect(owner.json?["audience"]?["is_known"]?.bool == true, "\(owner)")
            let sessions = try await Self.ask("/admin/users/\(anna.username)/sessions", cluster)
            #expect(sessions.json?["sessions"]?.array?.count == 1, "\(sessions)")
            let trace = try await Self.ask("/admin/messages/\(conversation).\(seq)", cluster)
            #expect(trace.json?["sender"]?.string == anna.id && !trace.body.contains("a secret"), "\(trace)")

            func status(_ path: String) async throws -> Int { try await Self.ask(path, cluster).status }
            #expect(try await status("/admin/messages/\(conversation).99") == 404)
            #expect(try await status("/admin/messages/nonsense") == 400)
            #expect(try await status("/admin/conversations/nonsense/owner") == 400)
            #expect(try await status("/admin/users/nobody-of-this-name/sessions") == 404)
            #expect(try await status("/admin/slots?shard=shard-9") == 404)
            #expect(try await status("/admin/slots?shrad=shard-1") == 400, "a misspelt option is not passed over")
            #expect(try await status("/admin/log?last=0") == 400)
            #expect(try await status("/admin/move/plan?back=perhaps") == 400)
            withExtendedLifetime(annas) {}
        }

        @Test("An order that is only tried says how the node is, and does nothing")
        func trial() async throws {
            let cluster = try await SharedCluster.shared.cluster()
            for (verb, body) in [("drain", #"{"dry_run":true}"#), ("shed", #"{"dry_run":true,"count":5}"#)] {
                let answer = try await Self.ask(
                    "/admin/nodes/edge-1/\(verb)",
                    cluster,
                    "POST",
                    token: TestCluster.operateSecret,
                    body: body
                )
                #expect(answer.status == 200 && answer.json?["state"]?.string == "serving", "\(answer)")
            }
            let back = try await CommandLineTests.run(["undrain", "edge-1", "--dry-run"], cluster)
            #expect(back.status == 0 && back.text.contains("it would change nothing"), "\(back.text)")
            for verb in ["pause", "resume", "abort"] {
                let run = try await CommandLineTests.run(["move", verb, "--dry-run"], cluster)
                #expect(run.status == 1 && run.text.contains("no slots are being moved"), "\(run.text)")
            }
            let migrate = try await CommandLineTests.run(["migrate", "--dry-run"], cluster)
            #expect(migrate.status == 0 && migrate.text.contains("shard-2: has schema"), "\(migrate.text)")
        }

        @Test("A router whose file knows no more than Redis answers all the same, and only so many at a time")
        func joined() async throws {
            let cluster = try await TestCluster(routers: 1, edges: 1)
            let file = "cluster: \(TestCluster.cluster)\nredis:\n  url: \(cluster.redis.url)\n"
            try await eventually("the first router has told where the shards are") {
                try cluster.redis.command("EXISTS trunkline:\(TestCluster.cluster):shards") == ":1"
            }
            try cluster.join("router-2", isRouter: true, file: file)
            try await cluster.waitUntilReady("router-2")
            let slots = try await Self.ask("/admin/slots", cluster, of: "router-2")
            #expect(slots.json?["shares"]?.array?.count == 4, "\(slots)")
            let log = try await Self.ask("/admin/log", cluster, of: "router-2")
            #expect(log.json?["unreachable"]?.array?.isEmpty == true, "\(log)")
            // A Redis that hangs keeps each of them for as long as they wait for it.
            try cluster.redis.pause()
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<12 { group.addTask { try await Self.ask("/admin/nodes", cluster, of: "router-2") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try cluster.redis.resume()
            #expect(answers.allSatisfy { [200, 503].contains($0.status) })
            let refused = answers.filter { $0.status == 503 }
            #expect(
                !refused.isEmpty && refused.allSatisfy { $0.json?["remedy"]?.string?.contains("in a second") == true }
            )
        }
    }
}
