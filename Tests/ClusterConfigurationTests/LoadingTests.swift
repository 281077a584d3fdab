// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Reading cluster.yaml")
struct LoadingTests {
    @Test("A minimal file is filled with the defaults")
    func minimal() throws {
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal)
        #expect(settings.cluster == "test")
        #expect(settings.redis.url.description == "redis://127.0.0.1:6379")
        #expect(settings.shards.map(\.name) == ["shard-1"])
        #expect(settings.routers.map(\.mesh?.description) == ["127.0.0.1:7101"])
        #expect(settings.edges.map(\.http.description) == ["127.0.0.1:8201"])
        #expect(settings.node(named: "edge-1")?.mesh == nil)
        #expect(settings.node(named: "edge-2") == nil)
        #expect(settings.secrets.mesh == .environment("TRUNKLINE_MESH_SECRET"))
        #expect(settings.limits.sessionUnsentBytes == 1 << 20)
        #expect(settings.limits.meshCompressionThresholdBytes == 256)
        #expect(settings.limits.meshCompressionLevel == 1)
        #expect(settings.timeouts.heartbeat == .milliseconds(250))
        #expect(settings.timeouts.nodeLease == .seconds(2))
        #expect(settings.tokens.refreshLifetime == .seconds(30 * 86_400))
        #expect(settings.passwords.scryptLog2N == 14)
        #expect(settings.log.level == .info)
        #expect(settings.log.format == .text)
    }

    @Test("Compression can be turned off, and its level be below 0; both are shown and read back")
    func compression() throws {
        let environment = [
            "TRUNKLINE_LIMITS__MESH_COMPRESSION_THRESHOLD": "off", "TRUNKLINE_LIMITS__MESH_COMPRESSION_LEVEL": "-8",
        ]
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal, environment: environment)
        #expect(settings.limits.meshCompressionThresholdBytes == nil)
        #expect(settings.limits.meshCompressionLevel == -8)
        let again = try ClusterSettings.parse(yaml: settings.render(maskSecrets: false))
        #expect(again.limits == settings.limits)
        let always = Fixture.minimal + "limits: {mesh_compression_threshold: 0B, mesh_compression_level: 9}\n"
        let limits = try ClusterSettings.parse(yaml: always).limits
        #expect(limits.meshCompressionThresholdBytes == 0)
        #expect(limits.meshCompressionLevel == 9)
        #expect(ClusterSettings.reference().contains("or off"))
    }

    @Test("Every key can be given in the file")
    func everyKey() throws {
        let yaml = """
            cluster: full-1
            secrets:
              mesh_secret: {file: mesh.secret}
              token_secret: {env: MY_TOKEN}
            redis:
              url: redis://default@redis.internal:6380/3
              password: {env: REDIS_PASSWORD}
            shards:
              - name: a
                connection: postgresql://u@h1:5432,h2:5433/db?target_session_attrs=read-write
                password: {file: /run/secrets/a}
            nodes:
              - {name: r, role: router, mesh: "[::1]:7101", http: "[::1]:8101"}
              - {name: e, role: edge, http: 0.0.0.0:443}
            limits: {session_unsent_bytes: 2MiB, batch_messages: 64, mesh_credit_items: 99}
            timeouts: {heartbeat: 100ms, silence: 1s, submit: 2m}
            tokens: {access_lifetime: 1h, refresh_lifetime: 7d}
            passwords: {scrypt_log2_n: 15, queued_hashes_max: 0}
            log: {level: debug, format: json}
            """
        let settings = try ClusterSettings.parse(yaml: yaml)
        #expect(settings.secrets.mesh == .file("mesh.secret"))
        #expect(settings.secrets.token == .environment("MY_TOKEN"))
        #expect(settings.redis.url.user == "default")
        #expect(settings.redis.url.database == 3)
        #expect(settings.redis.password == .environment("REDIS_PASSWORD"))
        #expect(settings.shards[0].password == .file("/run/secrets/a"))
        #expect(settings.nodes[0].mesh?.host == "::1")
        #expect(settings.nodes[1].http.isWildcard)
        #expect(settings.limits.sessionUnsentBytes == 2 << 20)
        #expect(settings.limits.batchMessages == 64)
        #expect(settings.limits.meshCreditItems == 99)
        #expect(settings.timeouts.submit == .seconds(120))
        #expect(settings.tokens.accessLifetime == .seconds(3600))
        #expect(settings.passwords.queuedHashesMax == 0)
        #expect(settings.log.level == .debug)
        #expect(settings.log.format == .json)
    }

    struct Redis: Sendable {
        var url: String
        var addresses: [String]
        var primaryName: String?
        var user: String?
        var database = 0
        /// As it is shown; nil when as it is written.
        var shown: String?
    }

    @Test(
        "Redis is one server, several, or known to sentinels",
        arguments: [
            Redis(url: "redis://h", addresses: ["h:6379"], shown: "redis://h:6379"),
            Redis(url: "redis://[::1]/2", addresses: ["[::1]:6379"], database: 2, shown: "redis://[::1]:6379/2"),
            Redis(
                url: "redis://db-1:7000,[::1]:7001/0",
                addresses: ["db-1:7000", "[::1]:7001"],
                shown: "redis://db-1:7000,[::1]:7001"
            ),
            Redis(url: "redis://app@a:1,b:2,c:3/15", addresses: ["a:1", "b:2", "c:3"], user: "app", database: 15),
            Redis(
                url: "redis-sentinel://app@a,b:7/3#the.primary_1",
                addresses: ["a:26379", "b:7"],
                primaryName: "the.primary_1",
                user: "app",
                database: 3,
                shown: "redis-sentinel://app@a:26379,b:7/3#the.primary_1"
            ),
            Redis(url: "redis-sentinel://a:1#m", addresses: ["a:1"], primaryName: "m"),
        ]
    )
    func redis(_ example: Redis) throws {
        let yaml = Fixture.minimal(replacing: "redis://127.0.0.1", with: example.url)
        let url = try ClusterSettings.parse(yaml: yaml).redis.url
        #expect(url.addresses.map(\.description) == example.addresses)
        #expect(url.primaryName == example.primaryName)
        #expect(url.user == example.user)
        #expect(url.database == example.database)
        #expect(url.description == example.shown ?? example.url)
        let rendered = try ClusterSettings.parse(yaml: yaml).render(maskSecrets: true)
        #expect(try ClusterSettings.parse(yaml: rendered).redis.url == url)
    }

    @Test("The defaults hold without a file")
    func defaults() throws {
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal)
        #expect(ClusterSettings.defaults.limits == settings.limits)
        #expect(ClusterSettings.defaults.timeouts == settings.timeouts)
        #expect(ClusterSettings.defaults.passwords == settings.passwords)
        #expect(ClusterSettings.defaults.tokens == settings.tokens)
    }

    @Test("The repository's cluster.yaml is right")
    func developmentCluster() throws {
        let path = "\(#filePath)".split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/cluster.yaml"
        let settings = try ClusterSettings.load(path: path, environment: [:])
        #expect(settings.cluster == "development")
        #expect(settings.shards.map(\.name) == ["shard-1", "shard-2"])
        #expect(settings.nodes.map(\.name) == ["router-1", "router-2", "edge-1", "edge-2"])
        #expect(settings.nodes.map(\.http.port) == [8101, 8102, 8201, 8202])
        #expect(settings.routers.compactMap(\.mesh?.port) == [7101, 7102])
        #expect(settings.redis.url.addresses.first?.port == 6390)
    }

    @Test("A section whose lines are all commented out is an empty one")
    func emptySection() throws {
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal + "limits:\n  # batch_messages: 3\n")
        #expect(settings.limits == ClusterSettings.defaults.limits)
    }

    @Test("A file that cannot be read is one problem")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        for path in ["\(folder.path)/missing.yaml", folder.path] {
            let error = try #require(throws: ConfigurationError.self) {
                try ClusterSettings.load(path: path, environment: [:])
            }
            #expect(error.file == path)
            #expect(error.problems.count == 1)
            #expect(error.problems[0].message.contains("cannot be read"))
        }
        let binary = try folder.write([0xFF, 0xFE, 0x00], to: "binary.yaml")
        let error = try #require(throws: ConfigurationError.self) {
            try ClusterSettings.load(path: binary, environment: [:])
        }
        #expect(error.problems.map(\.message) == ["the file is not UTF-8"])
        let large = try folder.write(
            [UInt8](repeating: UInt8(ascii: "#"), count: ClusterSettings.fileBytesMax + 1),
            to: "large.yaml"
        )
        let tooLarge = try #require(throws: ConfigurationError.self) {
            try ClusterSettings.load(path: large, environment: [:])
        }
        #expect(tooLarge.problems[0].message.contains("larger than 4MiB"))
    }
}

/// A folder of its own for one test, removed with it.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/trunkline-configuration-XXXXXX".utf8CString)
        self.path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    func write(_ bytes: [UInt8], to name: String) throws -> String {
        let path = "\(self.path)/\(name)"
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        return path
    }

    deinit {
        for name in ["binary.yaml", "large.yaml", "cluster.yaml", "secret"] { unlink("\(self.path)/\(name)") }
        rmdir(self.path)
    }
}
