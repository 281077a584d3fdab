// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import TestSupport
import Testing

/// A change to the minimal file, and the one problem that it must make.
struct Refusal: Sendable, CustomTestStringConvertible {
    var old: String
    var new: String
    var path: String
    var line: Int?
    /// Part of what the problem says.
    var says: String

    init(_ old: String, _ new: String, _ path: String, line: Int?, _ says: String) {
        self.old = old
        self.new = new
        self.path = path
        self.line = line
        self.says = says
    }

    var testDescription: String { "\(self.new.isEmpty ? "without \(self.old)" : self.new)" }

    /// A line under a section that the minimal file lacks.
    static func added(_ section: String, _ key: String, _ value: String, _ says: String) -> Refusal {
        Refusal(
            "cluster: test\n",
            "\(section):\n  \(key): \(value)\ncluster: test\n",
            "\(section).\(key)",
            line: 2,
            says
        )
    }

    static let structure: [Refusal] = [
        Refusal("cluster: test\n", "", "cluster", line: nil, "it is missing"),
        Refusal("cluster: test", "cluster:", "cluster", line: 1, "it has no value"),
        Refusal("cluster: test", "cluster: ~", "cluster", line: 1, "it has no value"),
        Refusal("cluster: test", "cluster: [test]", "cluster", line: 1, "not a single value"),
        Refusal("cluster: test", "cluster: Test", "cluster", line: 1, "lower-case letters"),
        Refusal("cluster: test", "cluster: a_b", "cluster", line: 1, "lower-case letters"),
        Refusal("cluster: test", "cluster: " + String(repeating: "a", count: 64), "cluster", line: 1, "1 to 63"),
        Refusal("cluster: test", "cluster: test\nclutser: x", "clutser", line: 2, "did you mean cluster?"),
        Refusal("cluster: test", "cluster: test\nbatch_messages: 3", "batch_messages", line: 2, "belongs under limits"),
        Refusal("    role: edge\n", "    role: edge\n    htp: x\n", "nodes[1].htp", line: 14, "did you mean http?"),
        Refusal("    http: 127.0.0.1:8201\n", "", "nodes[1].http", line: 12, "it is missing"),
        Refusal("  url: redis://127.0.0.1\n", "", "redis.url", line: nil, "it is missing"),
        Refusal("redis:\n  url: redis://127.0.0.1\n", "redis: redis://127.0.0.1\n", "redis", line: 2, "not a mapping"),
        Refusal("role: edge", "role: egde", "nodes[1].role", line: 13, "did you mean edge?"),
        Refusal("role: edge", "role: {a: b}", "nodes[1].role", line: 13, "not a single value"),
        Refusal("name: edge-1", "name: router-1", "nodes[1].name", line: 12, "the name of nodes[0] too"),
        Refusal("127.0.0.1:8201", "127.0.0.1:8101", "nodes[1].http", line: 14, "in use by nodes[0].http"),
        Refusal("127.0.0.1:8201", "localhost:7101", "nodes[1].http", line: 14, "in use by nodes[0].mesh"),
        Refusal("127.0.0.1:8101", "127.0.0.1:7101", "nodes[0].http", line: 11, "in use by nodes[0].mesh"),
        Refusal("127.0.0.1:8101", "0.0.0.0:7101", "nodes[0].http", line: 11, "in use by nodes[0].mesh"),
        Refusal("127.0.0.1:8201", "127.0.0.1", "nodes[1].http", line: 14, "not HOST:PORT"),
        Refusal("127.0.0.1:8201", "127.0.0.1:0", "nodes[1].http", line: 14, "not HOST:PORT"),
        Refusal("127.0.0.1:8201", "127.0.0.1:65536", "nodes[1].http", line: 14, "not HOST:PORT"),
        Refusal("127.0.0.1:8201", "300.0.0.1:80", "nodes[1].http", line: 14, "not HOST:PORT"),
        Refusal("127.0.0.1:7101", "0.0.0.0:7101", "nodes[0].mesh", line: 10, "nobody can dial"),
        Refusal("    mesh: 127.0.0.1:7101\n", "", "nodes[0].mesh", line: nil, "a router needs it"),
        Refusal("role: edge\n", "role: edge\n    mesh: 1.2.3.4:5\n", "nodes[1].mesh", line: 14, "an edge has none"),
        Refusal("cluster: test", "cluster: &a test", "cluster", line: 1, "anchors"),
        Refusal("cluster: test", "cluster: test\ncluster: x", "", line: 1, "stands twice"),
        Refusal("cluster: test", "cluster: \"test", "", line: 15, "not YAML"),
        Refusal("cluster: test", "cluster: test\n---\na: b", "", line: 2, "not YAML"),
    ]

    static let values: [Refusal] = [
        .added("timeouts", "submit", "15", "has no unit"),
        .added("timeouts", "submit", "15 seconds", "is not a unit of time"),
        .added("timeouts", "submit", "1.5s", "is not a unit of time"),
        .added("timeouts", "submit", "soon", "is not a time"),
        .added("timeouts", "submit", "-1s", "is not a time"),
        .added("timeouts", "submit", "99ms", "the smallest is 100ms"),
        .added("timeouts", "submit", "6m", "the largest is 5m"),
        .added("timeouts", "submit", "999999999999999999999s", "is too large"),
        .added("timeouts", "submit", "9223372036854775807d", "is too large"),
        .added("timeouts", "heartbeat", "1500ms", "is not below timeouts.silence"),
        .added("timeouts", "lease_renewal", "2s", "is not below timeouts.node_lease"),
        .added("timeouts", "client_heartbeat", "90s", "is not below timeouts.client_silence"),
        .added("tokens", "refresh_lifetime", "5x", "is not a unit of time"),
        .added("limits", "session_unsent_bytes", "1MB", "\"MB\" is not a unit of size"),
        .added("limits", "session_unsent_bytes", "1000000", "has no unit"),
        .added("limits", "session_unsent_bytes", "1KiB", "the smallest is 64KiB"),
        .added("limits", "websocket_frame_bytes", "64KiB", "the smallest is 68KiB"),
        .added("limits", "batch_messages", "many", "is not a whole number"),
        .added("limits", "batch_messages", "+5", "is not a whole number"),
        .added("limits", "batch_messages", "5.0", "is not a whole number"),
        .added("limits", "batch_messages", "0", "the smallest is 1"),
        .added("limits", "batch_messages", "-5", "is not a whole number"),
        .added("limits", "mesh_compression_threshold", "65KiB", "the largest is 64KiB"),
        .added("limits", "mesh_compression_threshold", "256", "has no unit"),
        .added("limits", "mesh_compression_threshold", "never", "is not a size"),
        .added("limits", "mesh_compression_level", "10", "the largest is 9"),
        .added("limits", "mesh_compression_level", "-65", "the smallest is -64"),
        .added("limits", "mesh_compression_level", "--5", "is not a whole number"),
        .added("limits", "mesh_compression_level", "\"-\"", "is not a whole number"),
        // The smaller queue is right by itself; the batch that no longer fits is what is reported.
        Refusal(
            "cluster: test\n",
            "limits: {shard_queue_messages: 100}\ncluster: test\n",
            "limits.batch_messages",
            line: nil,
            "is more than limits.shard_queue_messages"
        ),
        .added("limits", "batch_bytes", "128MiB", "is more than limits.shard_queue_bytes"),
        .added("passwords", "scrypt_log2_n", "9", "the smallest is 10"),
        .added("log", "level", "verbose", "not a choice"),
        .added("secrets", "mesh_secret", "correct horse", "name where it comes from"),
        .added("secrets", "mesh_secret", "{env: A, file: B}", "exactly one source"),
        .added("secrets", "mesh_secret", "{vault: A}", "not a source of secrets"),
        .added("secrets", "mesh_secret", "{env: }", "its source is empty"),
        .added("secrets", "mesh_secret", "{}", "exactly one source"),
    ]

    static let connections: [Refusal] = [
        Refusal(
            "host=127.0.0.1 dbname=trunkline",
            "host=127.0.0.1",
            "shards[0].connection",
            line: 6,
            "names no database"
        ),
        Refusal("host=127.0.0.1 dbname", "hots=127.0.0.1 dbname", "shards[0].connection", line: 6, "mean host?"),
        Refusal("host=127.0.0.1 dbname", "127.0.0.1 dbname", "shards[0].connection", line: 6, "has no \"=\""),
        Refusal("host=127.0.0.1 dbname", "user='a dbname", "shards[0].connection", line: 6, "no closing quote"),
        Refusal(
            "host=127.0.0.1 dbname=trunkline",
            "postgresql://h:x/db",
            "shards[0].connection",
            line: 6,
            "a port in the URI"
        ),
        Refusal(
            "host=127.0.0.1 dbname=trunkline",
            "postgres://h/",
            "shards[0].connection",
            line: 6,
            "names no database"
        ),
        Refusal(
            "dbname=trunkline",
            "dbname=trunkline password=pw\n    password: {env: A}",
            "shards[0].password",
            line: 7,
            "holds a password too"
        ),
        Refusal(
            "nodes:",
            "  - {name: b, connection: host=localhost port=5432 dbname=trunkline}\nnodes:",
            "shards[1].connection",
            line: 7,
            "the database of shards[0] too"
        ),
        Refusal("redis://127.0.0.1", "http://127.0.0.1", "redis.url", line: 3, "not a redis:// URL"),
        Refusal("redis://127.0.0.1", "rediss://127.0.0.1", "redis.url", line: 3, "TLS"),
        Refusal("redis://127.0.0.1", "redis://127.0.0.1/x", "redis.url", line: 3, "number of a database"),
        Refusal("redis://127.0.0.1", "redis://127.0.0.1:99999", "redis.url", line: 3, "not HOST:PORT"),
        Refusal("redis://127.0.0.1", "redis://a:1,,b:2", "redis.url", line: 3, "not HOST:PORT"),
        Refusal("redis://127.0.0.1", "redis://a:1,b:2,A:1", "redis.url", line: 3, "stands in it twice"),
        Refusal(
            "redis://127.0.0.1",
            "redis://" + (1...17).map { "h\($0)" }.joined(separator: ","),
            "redis.url",
            line: 3,
            "17 addresses"
        ),
        Refusal("redis://127.0.0.1", "redis://a#main", "redis.url", line: 3, "for sentinels only"),
        Refusal("redis://127.0.0.1", "redis-sentinel://a,b", "redis.url", line: 3, "does not name the primary"),
        Refusal("redis://127.0.0.1", "redis-sentinel://a,b#", "redis.url", line: 3, "not the name of a primary"),
        Refusal("redis://127.0.0.1", "redis-sentinel://a,b#a/b", "redis.url", line: 3, "not the name of a primary"),
        Refusal("redis://127.0.0.1", "redis-sentinel://:pw@a,b#main", "redis.url", line: 3, "holds a password"),
        Refusal("redis://127.0.0.1", "redis+sentinel://a,b/main", "redis.url", line: 3, "in another way"),
        Refusal("redis://127.0.0.1", "rediss-sentinel://a,b#main", "redis.url", line: 3, "TLS"),
        Refusal(
            "redis://127.0.0.1",
            "redis://a,b\n  sentinel_password: {env: A}",
            "redis.sentinel_password",
            line: 4,
            "names no sentinels"
        ),
    ]
}

@Suite("What cluster.yaml may not say")
struct RefusalTests {
    @Test("Structure, names and addresses", arguments: Refusal.structure)
    func structure(_ refusal: Refusal) throws {
        try Self.check(refusal)
    }

    @Test("Units, bounds, choices and secrets", arguments: Refusal.values)
    func values(_ refusal: Refusal) throws {
        try Self.check(refusal)
    }

    @Test("Connections", arguments: Refusal.connections)
    func connections(_ refusal: Refusal) throws {
        try Self.check(refusal)
    }

    private static func check(_ refusal: Refusal) throws {
        let yaml = Fixture.minimal(replacing: refusal.old, with: refusal.new)
        let problem = try Fixture.problem(yaml)
        #expect(problem.path == refusal.path)
        #expect(problem.place == refusal.line.map { .line($0) })
        #expect(problem.description.contains(refusal.says), "\(problem)")
        #expect(!problem.remedy.isEmpty)
    }

    @Test("All problems come at once")
    func allAtOnce() {
        let problems = Fixture.problems(
            """
            cluster: BAD
            colour: blue
            secrets:
              token_secret: abcdefghijklmnopqrstuvwxyz
            redis: {}
            shards: []
            nodes:
              - name: edge-1
                role: edge
                http: nowhere
              - just text
              - {name: router-1, role: router, mesh: 127.0.0.1:7101, http: 127.0.0.1:8101}
            limits:
              batch_messages: 0
              batch_massages: 1
            timeouts:
              submit: 5
            """,
            environment: ["TRUNKLINE_LOG__LEVEL": "loud", "TRUNKLINE_LOG__COLOUR": "blue"]
        )
        let paths = problems.map(\.path)
        for path in [
            "cluster", "colour", "secrets.token_secret", "redis.url", "shards", "nodes[0].http", "nodes[1]",
            "limits.batch_messages", "limits.batch_massages", "timeouts.submit", "log.level", "",
        ] {
            #expect(paths.filter { $0 == path }.count == 1, "\(path) in \(problems)")
        }
        #expect(problems.count == 12, "\(problems)")
        let error = ConfigurationError(file: "cluster.yaml", problems: problems)
        #expect(error.description.hasPrefix("cluster.yaml: 12 problems\n"))
        #expect(error.description.split(separator: "\n").count == 13)
    }

    @Test("A file may say only where Redis is; a router needs shards all the same")
    func emptyLists() throws {
        let redisOnly = "cluster: a\nredis: {url: \"redis://h\"}\n"
        #expect(Fixture.problems(redisOnly) == [])
        let router = redisOnly + "nodes: [{name: r, role: router, mesh: \"h:1\", http: \"h:2\"}]\n"
        #expect(try Fixture.problem(router).path == "shards")
        let edge = redisOnly + "nodes: [{name: e, role: edge, http: \"h:2\"}]\n"
        #expect(Fixture.problems(edge) == [])
    }

    @Test(
        "No problem repeats a password",
        arguments: [
            Fixture.minimal(replacing: "redis://127.0.0.1", with: "redis://u:hunter2@127.0.0.1"),
            Fixture.minimal(replacing: "dbname=trunkline", with: "dbname=trunkline password=hunter2 colour=x"),
            Fixture.minimal(replacing: "host=127.0.0.1 dbname=trunkline", with: "postgresql://u:hunter2@h:x/db"),
            Fixture.minimal + "secrets: {mesh_secret: hunter2}\n",
            Fixture.minimal(replacing: "    role: edge", with: "    role: edge\n    password: hunter2"),
        ]
    )
    func noPassword(_ yaml: String) throws {
        let problem = try Fixture.problem(yaml)
        #expect(!problem.description.contains("hunter2"))
    }

    @Test("An alias is refused before it can grow into an enormous tree")
    func aliases() {
        var yaml = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            yaml += "b\(level): &a\(level) [\(aliases)]\n"
        }
        yaml += "nodes: *a20\n"
        let problems = Fixture.problems(yaml)
        #expect(problems.contains { $0.path == "nodes" && $0.message.contains("anchors") })
        #expect(problems.count < 100)
    }

    @Test("Any text is either read or refused, never a crash", arguments: [UInt64(1), 2, 3, 4])
    func randomText(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let original = Array(Fixture.minimal.utf8)
        for round in 0..<300 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = Array("{}[]:-#&*!|>'\"%@,\n\t a1".utf8).randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
            }
            let problems = Fixture.problems(String(decoding: bytes, as: UTF8.self))
            #expect(problems.allSatisfy { !$0.message.isEmpty && !$0.remedy.isEmpty }, "seed \(seed), round \(round)")
        }
    }
}
