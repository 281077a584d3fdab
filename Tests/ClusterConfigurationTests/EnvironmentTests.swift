// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Keys from the environment")
struct EnvironmentTests {
    @Test("The environment wins over the file and the defaults")
    func overrides() throws {
        let settings = try ClusterSettings.parse(
            yaml: Fixture.minimal + "timeouts: {submit: 20s}\n",
            environment: [
                "TRUNKLINE_CLUSTER": "other",
                "TRUNKLINE_TIMEOUTS__SUBMIT": "5s",
                "TRUNKLINE_LIMITS__BATCH_MESSAGES": "7",
                "TRUNKLINE_LOG__LEVEL": "trace",
                "TRUNKLINE_REDIS__URL": "redis://10.0.0.1:1234",
                "TRUNKLINE_SHARDS__SHARD_1__CONNECTION": "host=db dbname=other",
                "TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:9999",
                "TRUNKLINE_SECRETS__MESH_SECRET__FILE": "/run/mesh",
                "TRUNKLINE_REDIS__PASSWORD__ENV": "TRUNKLINE_MY_REDIS",
                "PATH": "/bin",
            ]
        )
        #expect(settings.cluster == "other")
        #expect(settings.timeouts.submit == .seconds(5))
        #expect(settings.limits.batchMessages == 7)
        #expect(settings.log.level == .trace)
        #expect(settings.redis.url.addresses.first?.port == 1234)
        #expect(settings.shards[0].connection.exposedText == "host=db dbname=other")
        #expect(settings.node(named: "edge-1")?.http.port == 9999)
        #expect(settings.secrets.mesh == .file("/run/mesh"))
        #expect(settings.redis.password == .environment("TRUNKLINE_MY_REDIS"))
    }

    @Test("A variable can stand for a key that is missing in the file")
    func mends() throws {
        let yaml = Fixture.minimal(
            replacing: "    role: edge\n    http: 127.0.0.1:8201\n",
            with: "    role: [edge]\n"
        )
        let environment = ["TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:1", "TRUNKLINE_NODES__EDGE_1__ROLE": "edge"]
        // What is wrong in the file is still told, but not a second time as missing.
        let problem = try Fixture.problem(yaml, environment: environment)
        #expect(problem.path == "nodes[1].role")
        let missing = Fixture.minimal(replacing: "    http: 127.0.0.1:8201\n", with: "")
        let settings = try ClusterSettings.parse(yaml: missing, environment: environment)
        #expect(settings.node(named: "edge-1")?.http.port == 1)
    }

    @Test("Reserved names and variables that hold a named secret are known")
    func knownNames() throws {
        _ = try ClusterSettings.parse(
            yaml: Fixture.minimal + "secrets: {token_secret: {env: TRUNKLINE_SIGNING}}\n",
            environment: [
                "TRUNKLINE_CONFIG": "x", "TRUNKLINE_MESH_SECRET": "x", "TRUNKLINE_TOKEN_SECRET": "x",
                "TRUNKLINE_SIGNING": "x",
            ]
        )
    }

    @Test(
        "A wrong variable is refused by name",
        arguments: [
            ("TRUNKLINE_TIMEOUTS__SUBMITS", "5s", "", "did you mean TRUNKLINE_TIMEOUTS__SUBMIT?"),
            ("TRUNKLINE_MESH_SECRETS", "x", "", "did you mean TRUNKLINE_MESH_SECRET?"),
            ("TRUNKLINE_ELEPHANTS", "x", "", "it names no key"),
            ("TRUNKLINE_NODES__EDGE_77_OF_THE_OTHER_SITE__HTTP", "x", "", "router-1, edge-1"),
            ("TRUNKLINE_NODES__EDGE_1__NAME", "x", "", "it names no key"),
            ("TRUNKLINE_TIMEOUTS__SUBMIT", "5", "timeouts.submit", "has no unit"),
            ("TRUNKLINE_CLUSTER", "", "cluster", "not a name"),
            ("TRUNKLINE_NODES__EDGE_1__HTTP", "8201", "nodes[1].http", "not HOST:PORT"),
            ("TRUNKLINE_NODES__EDGE_1__HTTP", "127.0.0.1:7101", "nodes[1].http", "in use by nodes[0].mesh"),
            ("TRUNKLINE_REDIS__PASSWORD", "hunter2", "redis.password", "TRUNKLINE_REDIS__PASSWORD__ENV"),
            ("TRUNKLINE_REDIS__PASSWORD__FILE", "", "redis.password", "its source is empty"),
        ]
    )
    func refused(name: String, value: String, path: String, says: String) throws {
        let problem = try Fixture.problem(Fixture.minimal, environment: [name: value])
        #expect(problem.place == .variable(name))
        #expect(problem.path == path)
        #expect(problem.description.contains(says), "\(problem)")
        #expect(!problem.description.contains("hunter2"))
    }

    @Test("A secret has one source")
    func twoSources() throws {
        let problem = try Fixture.problem(
            Fixture.minimal,
            environment: ["TRUNKLINE_REDIS__PASSWORD__FILE": "/a", "TRUNKLINE_REDIS__PASSWORD__ENV": "A"]
        )
        #expect(problem.message.contains("names a source too"))
    }
}
