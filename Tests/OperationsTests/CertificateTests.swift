// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Observability
import TestSupport
import Testing
import TransportSecurity

@testable import Operations

@Suite("The certificates of a node", .timeLimit(.minutes(1)))
struct CertificateTests {
    /// A folder that goes with the test, and a configuration that names files in it.
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID())").path
        let settings: ClusterSettings

        init() throws {
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
            let yaml = """
                cluster: testing
                redis: {url: "redis://127.0.0.1:1"}
                nodes:
                  - {name: edge-1, role: edge, http: "127.0.0.1:1"}
                  - {name: router-1, role: router, mesh: "127.0.0.1:2", http: "127.0.0.1:3"}
                shards: [{name: shard-1, connection: "host=127.0.0.1 dbname=x"}]
                tls:
                  clients: {certificate: "{node}.pem", private_key: "{node}.key"}
                  mesh: {certificate: "{node}.pem", private_key: "{node}.key", authority: authority.pem}
                """
            self.settings = try ClusterSettings.parse(yaml: yaml, file: "\(self.path)/cluster.yaml")
        }

        deinit { try? FileManager.default.removeItem(atPath: self.path) }

        func node(_ name: String) throws -> ClusterSettings.Node { try #require(self.settings.node(named: name)) }

        func write(_ texts: CertificateTexts, for node: String) throws {
            try Self.write(texts.certificate, "\(self.path)/\(node).pem")
            try Self.write(texts.privateKey, "\(self.path)/\(node).key")
            try Self.write(texts.authority ?? "", "\(self.path)/authority.pem")
        }

        func write(_ text: String, to name: String) throws { try Self.write(text, "\(self.path)/\(name)") }

        private static func write(_ text: String, _ path: String) throws {
            try SmallFile.write(Array(text.utf8), to: path, mode: 0o600, replacing: true)
        }
    }

    private static let edge = CertifiedNode(cluster: "testing", node: "edge-1")
    private let folder: Folder

    init() throws {
        self.folder = try Folder()
    }

    @Test("An edge has those for clients and mesh, a router only those of the mesh")
    func roles() throws {
        let authority = try TestAuthority()
        for name in ["edge-1", "router-1"] {
            try self.folder.write(authority.texts(for: CertifiedNode(cluster: "testing", node: name)), for: name)
        }
        let edge = try NodeCertificates.load(self.folder.settings, node: self.folder.node("edge-1"))
        let router = try NodeCertificates.load(self.folder.settings, node: self.folder.node("router-1"))
        #expect(edge.clients != nil && edge.mesh != nil)
        #expect(router.clients == nil && router.mesh != nil)
        let registry = MetricsRegistry()
        edge.register(in: registry)
        let expires = Int(try #require(edge.mesh?.expires).timeIntervalSince1970)
        #expect(registry.render().contains("trunkline_tls_certificate_expires_seconds{use=\"mesh\"} \(expires)"))
        #expect(registry.render().contains("trunkline_tls_handshakes_failed_total{use=\"clients\"} 0"))
    }

    @Test("All that is wrong is told at once, with the key and the file")
    func problems() throws {
        let missing = try #require(try self.loadingError("edge-1"))
        #expect(missing.problems.map(\.path) == ["tls.clients.certificate", "tls.mesh.certificate"])
        #expect(missing.description.contains("\(self.folder.path)/edge-1.pem cannot be read: No such file"))
        let authority = try TestAuthority()
        try self.folder.write(authority.texts(for: CertifiedNode(cluster: "testing", node: "edge-2")), for: "edge-1")
        let foreign = try #require(try self.loadingError("edge-1"))
        #expect(foreign.problems.map(\.path) == ["tls.mesh.certificate"])
        #expect(foreign.description.contains("it is the certificate of trunkline://testing/edge-2, and this is"))
    }

    private func loadingError(_ node: String) throws -> ConfigurationError? {
        let node = try self.folder.node(node)
        do throws(ConfigurationError) {
            _ = try NodeCertificates.load(self.folder.settings, node: node)
            return nil
        } catch {
            return error
        }
    }

    @Test("Changed files are read, bad ones are told once and change nothing")
    func reload() async throws {
        let authority = try TestAuthority()
        try self.folder.write(authority.texts(for: Self.edge, days: 30), for: "edge-1")
        let certificates = try NodeCertificates.load(self.folder.settings, node: self.folder.node("edge-1"))
        let first = try #require(certificates.mesh).expires
        let log = LogRecorder()
        let reloader = CertificateReloader(certificates, interval: .milliseconds(10), logger: log.logger)
        let running = Task { await reloader.run() }
        defer { running.cancel() }

        let refused = "changed certificates cannot be used; the old ones stay in use"
        try self.folder.write("nothing", to: "edge-1.key")
        try await eventually("both uses refuse it") { log.count(of: refused) == 2 }
        #expect(log.lines.contains { $0.contains("key=tls.mesh.private_key") && $0.contains("edge-1.pem") })
        #expect(certificates.mesh?.expires == first)

        try self.folder.write(authority.texts(for: Self.edge, days: 60), for: "edge-1")
        try await eventually("the new ones are in use") { log.count(of: "new certificates are in use") == 2 }
        #expect(try #require(certificates.mesh).expires > first)
        #expect(try #require(certificates.clients).expires > first)
        #expect(log.count(of: refused) == 2)
        #expect(log.count(of: "runs out soon") == 0)

        try self.folder.write(authority.texts(for: Self.edge, days: 2), for: "edge-1")
        try await eventually("it is told that they run out") { log.count(of: "runs out soon") == 2 }
    }

    @Test("When it is told that a certificate runs out")
    func warning() {
        let now = Date(timeIntervalSince1970: 1_900_000_000)
        let day = ExpiryWarning.repeatTime
        var warning = ExpiryWarning()
        let due = [0.0, 1.5, 1.6, 2.4, 2.6, 9].map { days in
            warning.isDue(expires: now + 8.4 * day, now: now + days * day)
        }
        #expect(due == [false, true, false, false, true, true])
        let renewed = warning.isDue(expires: now + 100 * day, now: now)
        #expect(!renewed)
    }
}
