// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("Resolving secrets")
struct SecretTests {
    private static let strong = "0123456789abcdef"

    @Test("From the environment and from files beside cluster.yaml")
    func resolved() throws {
        let folder = try TemporaryFolder()
        let secretFile = try folder.write(Array("file-secret-0123456789\n".utf8), to: "secret")
        let yaml =
            Fixture.minimal(replacing: "nodes:", with: "    password: {env: SHARD_PASSWORD}\nnodes:")
            + "secrets: {token_secret: {file: secret}}\n"
        let path = try folder.write(Array(yaml.utf8), to: "cluster.yaml")
        let environment = ["TRUNKLINE_MESH_SECRET": Self.strong, "SHARD_PASSWORD": "pw"]
        let settings = try ClusterSettings.load(path: path, environment: environment)
        let secrets = try settings.resolveSecrets(environment: environment)
        #expect(secrets.mesh?.exposedText == Self.strong)
        #expect(secrets.token?.exposedText == "file-secret-0123456789", "\(secretFile)")
        #expect(secrets.redisPassword == nil)
        #expect(
            secrets.connection(to: settings.shards[0]).exposedText
                == "host=127.0.0.1 dbname=trunkline password='pw'"
        )
    }

    @Test("Sentinels have a password of their own, which edges need too")
    func sentinels() throws {
        let yaml = Fixture.minimal(replacing: "redis://127.0.0.1", with: "redis-sentinel://a,b#main")
            .replacingRedis(with: "sentinel_password: {env: SENTINEL}")
        let settings = try ClusterSettings.parse(yaml: yaml)
        var environment = ["TRUNKLINE_MESH_SECRET": Self.strong, "TRUNKLINE_TOKEN_SECRET": Self.strong]
        #expect(throws: ConfigurationError.self) { try settings.resolveSecrets(environment: environment, for: .edge) }
        environment["SENTINEL"] = "pw"
        let secrets = try settings.resolveSecrets(environment: environment, for: .edge)
        #expect(secrets.sentinelPassword?.exposedText == "pw" && secrets.redisPassword == nil)
    }

    @Test("An edge needs no password of a shard")
    func edge() throws {
        let yaml = Fixture.minimal(replacing: "nodes:", with: "    password: {env: SHARD_PASSWORD}\nnodes:")
        let settings = try ClusterSettings.parse(yaml: yaml)
        let environment = ["TRUNKLINE_MESH_SECRET": Self.strong, "TRUNKLINE_TOKEN_SECRET": Self.strong]
        #expect(try settings.resolveSecrets(environment: environment, for: .edge).shardPasswords.isEmpty)
        #expect(throws: ConfigurationError.self) { try settings.resolveSecrets(environment: environment, for: .router) }
    }

    @Test("Who gives orders shows a secret, which an edge does not know; without one there are no orders")
    func admin() throws {
        let settings = try ClusterSettings.parse(
            yaml: Fixture.minimal + "secrets:\n  admin_operate: {env: OPERATE}\n"
        )
        var environment = ["TRUNKLINE_MESH_SECRET": Self.strong, "TRUNKLINE_TOKEN_SECRET": Self.strong]
        #expect(try settings.resolveSecrets(environment: environment, for: .edge).adminOperate == nil)
        #expect(throws: ConfigurationError.self) { try settings.resolveSecrets(environment: environment, for: .router) }
        environment["OPERATE"] = "too short"
        #expect(throws: ConfigurationError.self) { try settings.resolveSecrets(environment: environment, for: .router) }
        environment["OPERATE"] = Self.strong
        let secrets = try settings.resolveSecrets(environment: environment, for: .router)
        #expect(secrets.adminOperate?.exposedText == Self.strong && secrets.adminRead == nil)
        let none = try ClusterSettings.parse(yaml: Fixture.minimal)
        #expect(try none.resolveSecrets(environment: environment).adminOperate == nil)
    }

    private static let everything =
        Fixture.minimal(replacing: "nodes:", with: "    password: {env: SHARD}\nnodes:")
        .replacingRedis(with: "password: {env: REDIS}")
        + "secrets:\n  admin_read: {env: READ}\n  admin_operate: {env: OPERATE}\n"

    @Test(
        "Nobody is asked for a secret that he does not use",
        arguments: [
            (.edge, ["secrets.mesh_secret", "secrets.token_secret", "redis.password"]),
            (
                .router,
                [
                    "secrets.mesh_secret", "secrets.admin_read", "secrets.admin_operate", "redis.password",
                    "shards[0].password",
                ]
            ),
            (.shards, ["shards[0].password"]),
            (.look, ["redis.password", "shards[0].password"]),
            (.order, ["secrets.admin_read", "secrets.admin_operate", "redis.password"]),
        ] as [(SecretNeeds, [String])]
    )
    func needs(_ needs: SecretNeeds, keys: [String]) throws {
        let settings = try ClusterSettings.parse(yaml: Self.everything)
        let problems = settings.readSecrets(environment: [:], for: needs).problems
        #expect(problems.map(\.path) == keys)
        for key in keys where needs != .order { #expect(needs.isSuperset(of: SecretNeeds(key: key)), "\(key)") }
        var all = ["TRUNKLINE_MESH_SECRET", "TRUNKLINE_TOKEN_SECRET", "READ", "OPERATE", "REDIS", "SHARD"]
            .reduce(into: [:]) { $0[$1] = "\(Self.strong) of \($1)" }
        let secrets = try settings.resolveSecrets(environment: all, for: needs)
        #expect((secrets.token != nil) == needs.contains(.token))
        #expect((secrets.mesh != nil) == needs.contains(.mesh))
        #expect(secrets.shardPasswords.isEmpty != needs.contains(.shards))
        // What is there and wrong is only told to who uses it.
        all["TRUNKLINE_TOKEN_SECRET"] = "short"
        #expect(settings.readSecrets(environment: all, for: needs).problems.isEmpty != needs.contains(.token))
    }

    @Test("Who shows a secret of the admin interface needs one of the two")
    func oneOfAdmin() throws {
        let settings = try ClusterSettings.parse(yaml: Self.everything)
        var environment = ["REDIS": "pw", "READ": Self.strong]
        let reader = try settings.resolveSecrets(environment: environment, for: .order)
        #expect(reader.adminRead != nil && reader.adminOperate == nil)
        environment["OPERATE"] = "short"
        #expect(try settings.resolveSecrets(environment: environment, for: .order).adminOperate == nil)
        environment["READ"] = nil
        #expect(throws: ConfigurationError.self) { try settings.resolveSecrets(environment: environment, for: .order) }
    }

    @Test("All problems come at once and show no secret")
    func problems() throws {
        let yaml = Fixture.minimal(replacing: "nodes:", with: "    password: {env: SHARD_PASSWORD}\nnodes:")
            .replacingRedis(with: "password: {file: /nonexistent/redis}")
        let settings = try ClusterSettings.parse(yaml: yaml)
        let error = try #require(throws: ConfigurationError.self) {
            try settings.resolveSecrets(
                environment: ["TRUNKLINE_MESH_SECRET": "too short", "SHARD_PASSWORD": ""])
        }
        let expected = [
            "secrets.mesh_secret": "has 9 bytes", "secrets.token_secret": "TRUNKLINE_TOKEN_SECRET is not set",
            "redis.password": "cannot be read", "shards[0].password": "has 0 bytes",
        ]
        #expect(error.problems.count == expected.count)
        for problem in error.problems {
            #expect(problem.message.contains(expected[problem.path] ?? "an expected path"), "\(problem)")
            #expect(!problem.description.contains("too short"))
        }
    }
}

extension String {
    fileprivate func replacingRedis(with line: String) -> String {
        self.split(separator: "redis:\n", omittingEmptySubsequences: false).joined(separator: "redis:\n  \(line)\n")
    }
}
