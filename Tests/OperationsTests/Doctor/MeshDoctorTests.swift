// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Foundation
import Logging
import Mesh
import Messaging
import NIOCore
import NIOPosix
import Redis
import TestSupport
import Testing
import TransportSecurity

@testable import Operations

@Suite("What `trunkline doctor` finds where links speak TLS", .timeLimit(.minutes(3)))
struct MeshDoctorTests {
    private final class Nobody: MeshDelegate {
        func meshLinkUp(_ peer: PeerIdentity) {}
        func meshLinkDown(_ peer: PeerIdentity, reason: String) {}
        func meshRequest(_ request: InboundRequest) {}
        func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity) {}
        func meshReadComplete(from peer: PeerIdentity) {}
    }

    /// A machine with the certificate files of one edge, and a router that listens with certificates of a test.
    private struct Bed {
        var doctor: DoctorBed
        let folder: String
        let authority: TestAuthority

        init() async throws {
            self.doctor = try await DoctorBed()
            self.folder = FileManager.default.temporaryDirectory.appending(path: "doctor-\(UUID())").path
            try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true)
            self.authority = try TestAuthority()
            let path = "\(self.folder)/{node}"
            self.doctor.settings.tls.mesh.certificate = "\(path).pem"
            self.doctor.settings.tls.mesh.privateKey = "\(path).key"
            self.doctor.settings.tls.mesh.authority = "\(self.folder)/authority.pem"
            // The router is on this machine as the edge is; it has to have files, too.
            for node in ["edge-1", "router-1"] { try self.write(self.texts(of: node), of: node) }
        }

        func texts(of node: String, _ authority: TestAuthority? = nil, now: Date = Date()) throws -> CertificateTexts {
            try (authority ?? self.authority)
                .texts(for: CertifiedNode(cluster: "testing", node: node), days: 30, now: now)
        }

        func write(_ texts: CertificateTexts, of node: String) throws {
            let files = [
                ("\(node).pem", texts.certificate), ("\(node).key", texts.privateKey),
                ("authority.pem", texts.authority ?? ""),
            ]
            for (name, text) in files {
                try SmallFile.write(Array(text.utf8), to: "\(self.folder)/\(name)", mode: 0o600, replacing: true)
            }
        }

        func end() {
            try? FileManager.default.removeItem(atPath: self.folder)
        }

        /// What the doctor says while router-1 listens with these certificates; nil for none.
        func report(router certificates: LiveCertificates?) async throws -> DoctorReport {
            let node = try #require(self.doctor.settings.node(named: "router-1"))
            let secret = Array((DoctorBed.secrets["TRUNKLINE_MESH_SECRET"] ?? "").utf8)
            var settings = MeshSettings(cluster: "testing", secret: secret)
            settings.certificates = certificates
            let router = MeshNode(
                identity: PeerIdentity(name: "router-1", incarnation: .generate(), role: .router),
                settings: settings,
                group: MultiThreadedEventLoopGroup.singleton,
                delegate: Nobody(),
                logger: LogRecorder().logger
            )
            _ = try await router.listen(host: "127.0.0.1", port: node.mesh?.port ?? 0)
            let connection = try RedisConnection(
                configuration: RedisConfiguration(
                    endpoint: RedisEndpoint(host: "127.0.0.1", port: self.doctor.redis.port)
                ),
                logger: LogRecorder().logger
            )
            let lease = NodeLease(
                name: "router-1",
                incarnation: .generate(),
                role: .router,
                state: .ready,
                meshAddress: node.mesh?.description,
                httpAddress: node.http.description,
                version: "0.1.0",
                since: WallClock.now()
            )
            _ = try await NodeLeases(connection: connection, cluster: "testing")
                .renewLease(lease, timeToLive: .seconds(60))
            let report = await self.doctor.report()
            await connection.shutdown()
            await router.shutdown()
            return report
        }
    }

    private static let checks = ["tls.certificates", "mesh.reachable", "mesh.certificates", "mesh.secret"]

    private static func levels(_ report: DoctorReport) -> [[DoctorFinding.Level]] {
        Self.checks.map { report.of($0).map(\.level) }
    }

    @Test("A router of the same authority is talked to as the node that is here")
    func well() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        let router = try LiveCertificates(.mesh, CertificateSet(bed.texts(of: "router-1"), now: Date()))
        let report = try await bed.report(router: router)
        #expect(Self.levels(report) == [[.ok], [.ok], [.ok], [.ok]], "\(report.text())")
    }

    @Test("A router of another authority")
    func wrongAuthority() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        let texts = try bed.texts(of: "router-1", TestAuthority())
        let report = try await bed.report(router: LiveCertificates(.mesh, CertificateSet(texts, now: Date())))
        let finding = try #require(report.of("mesh.certificates").first)
        #expect(finding.level == .fails && finding.subject == "router-1", "\(report.text())")
        #expect(finding.message.contains("the certificate of trunkline://testing/router-1 is signed by"), "\(finding)")
        #expect(finding.remedy?.contains("one authority") == true)
        #expect(report.of("mesh.secret").map(\.level) == [.unknown], "\(report.text())")
    }

    @Test("A router whose certificate has expired while it ran")
    func expired() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        let past = Date() - 100 * 86_400
        let set = try CertificateSet(bed.texts(of: "router-1", now: past), now: past)
        let report = try await bed.report(router: LiveCertificates(.mesh, set))
        let finding = try #require(report.of("mesh.certificates").first)
        #expect(finding.level == .fails && finding.subject == "router-1", "\(report.text())")
        #expect(finding.message.contains("has expired, on "), "\(finding)")
    }

    @Test("A router that does not speak TLS")
    func plain() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        let report = try await bed.report(router: nil)
        let finding = try #require(report.of("mesh.certificates").first)
        #expect(finding.level == .fails && finding.subject == "router-1", "\(report.text())")
        #expect(finding.message.contains("does not speak TLS"), "\(finding)")
        #expect(finding.remedy?.contains("for all nodes or for none") == true)
    }

    @Test("Certificates of nodes here that have expired, run out soon, or are of another node")
    func own() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        let router = try LiveCertificates(.mesh, CertificateSet(bed.texts(of: "router-1"), now: Date()))
        try bed.write(bed.texts(of: "edge-1", now: Date() - 100 * 86_400), of: "edge-1")
        try bed.write(bed.texts(of: "router-1", now: Date() - 27 * 86_400), of: "router-1")
        let report = try await bed.report(router: router)
        let findings = report.of("tls.certificates")
        #expect(findings.map(\.level) == [.fails, .warning], "\(report.text())")
        #expect(findings.first?.message.contains("has expired, on ") == true && findings.first?.subject == "edge-1")
        let last = findings.last
        #expect(last?.message.contains("certificate for mesh runs out in ") == true && last?.subject == "router-1")
        // Nobody else is here whose certificate could be shown to router-1.
        #expect(report.of("mesh.certificates").map(\.level) == [.ok])

        try bed.write(bed.texts(of: "edge-2"), of: "edge-1")
        let other = try #require(try await bed.report(router: router).of("tls.certificates").first)
        #expect(other.level == .fails && other.message.contains("and this is trunkline://testing/edge-1"), "\(other)")
    }

    @Test("On a machine without any certificate what cannot be known is not called well")
    func none() async throws {
        let bed = try await Bed()
        defer { bed.end() }
        for file in ["edge-1.pem", "router-1.pem"] {
            try FileManager.default.removeItem(atPath: "\(bed.folder)/\(file)")
        }
        let report = try await bed.report(router: nil)
        #expect(report.of("tls.certificates").map(\.level) == [.fails, .fails])
        #expect(report.of("mesh.certificates").map(\.level) == [.unknown], "\(report.text())")
        #expect(report.of("mesh.secret").map(\.level) == [.unknown])
    }
}
