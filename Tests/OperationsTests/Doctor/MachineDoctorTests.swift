// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Foundation
import Mesh
import Messaging
import TestSupport
import Testing

@testable import Operations

@Suite("What `trunkline doctor` finds at secrets, nodes and the machine", .timeLimit(.minutes(5)))
struct MachineDoctorTests {
    @Test("Secrets that are missing, too short, used twice, or for everybody to read")
    func secrets() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "doctor-\(UInt32.random(in: 0...UInt32.max))"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "mesh.secret").path
        try "a secret that is long enough".write(toFile: file, atomically: true, encoding: .utf8)
        func rights(_ path: String, _ rights: Int) throws {
            try FileManager.default.setAttributes([.posixPermissions: rights], ofItemAtPath: path)
        }
        try rights(folder.path, 0o755)
        try rights(file, 0o644)
        var bed = try await DoctorBed()
        bed.settings.secrets.mesh = .file(file)
        let exposed = try #require(await bed.report().of("secrets.private").first)
        #expect(exposed.level == .fails && exposed.subject == "secrets.mesh_secret")
        #expect(exposed.remedy?.contains("chmod o-rwx \(file)") == true)
        try rights(folder.path, 0o750)
        #expect(await bed.report().of("secrets.private").map(\.level) == [.ok], "the folder protects it")
        try rights(folder.path, 0o755)
        try rights(file, 0o640)
        #expect(await bed.report().of("secrets.private").map(\.level) == [.ok])

        bed.environment["TRUNKLINE_TOKEN_SECRET"] = "short"
        bed.settings.secrets.adminRead = .environment("NOWHERE")
        let report = await bed.report()
        let missing = report.of("secrets.present")
        #expect(missing.map(\.subject) == ["secrets.token_secret", "secrets.admin_read"], "\(report.text())")
        #expect(!report.text().contains("short\n"))
        #expect(report.of("shards.schema").map(\.level) == [.ok], "the others are looked at all the same")
        bed.environment["TRUNKLINE_TOKEN_SECRET"] = "a secret that is long enough"
        let twice = try #require(await bed.report().of("secrets.distinct").first)
        #expect(twice.level == .warning && twice.subject == "secrets.mesh_secret, secrets.token_secret")
    }

    @Test("A secret that only nodes elsewhere use is no failure here")
    func secretsOfOthers() throws {
        var facts = DoctorFacts(settings: try makeSettings())
        facts.secretProblems = ["secrets.token_secret", "secrets.mesh_secret", "shards[0].password"].map {
            ConfigurationProblem($0, "it is not set", remedy: "set it")
        }
        facts.nodes = [try self.node("router-1", .router, http: "10.0.0.1:8101")]
        func missing() -> [String] {
            DoctorReport(facts).of("secrets.present").filter { $0.level == .fails }.compactMap(\.subject)
        }
        let (token, mesh, shard) = ("secrets.token_secret", "secrets.mesh_secret", "shards[0].password")
        #expect(missing() == [token, mesh, shard], "nothing says what this machine is for")
        facts.nodes[0].isHere = true
        #expect(missing() == [mesh, shard])
        facts.nodes.append(try self.node("edge-1", .edge, http: "10.0.0.1:8201"))
        facts.nodes[1].isHere = true
        #expect(missing() == [token, mesh, shard])
        facts.nodes[0].isHere = false
        #expect(missing() == [token, mesh])
    }

    @Test("A port that another program uses")
    func port() async throws {
        var bed = try await DoctorBed()
        let listener = try Listener()
        defer { listener.close() }
        bed.settings = try makeSettings(
            redisPort: bed.redis.port,
            shards: ["one", "two"].map { bed.connection($0) },
            routerMesh: listener.port,
            routerHTTP: freePort(),
            edgeHTTP: freePort()
        )
        let finding = try #require(await bed.report(timeout: .seconds(1)).of("machine.ports").first)
        #expect(finding.level == .fails && finding.subject == "router-1", "\(finding)")
        #expect(finding.message == "its mesh address cannot be listened on: another program uses the port")
    }

    @Test("A limit of open files below what an edge needs")
    func files() async throws {
        var bed = try await DoctorBed()
        bed.settings.limits.sessionsPerEdge = 100_000_000
        let finding = try #require(await bed.report().of("machine.files").first)
        #expect(finding.level == .fails && finding.remedy?.contains("LimitNOFILE") == true, "\(finding)")
    }

    private func node(
        _ name: String,
        _ role: Directory.NodeRole,
        http: String,
        mesh: String? = nil
    ) throws -> DoctorFacts.Node {
        var node = DoctorFacts.Node(name: name, role: role, isListed: false)
        node.lease = NodeLease(
            name: name,
            incarnation: .generate(),
            role: role,
            state: .ready,
            meshAddress: mesh,
            httpAddress: http,
            version: "0.0.1",
            since: 0
        )
        node.http = NetworkAddress(http)
        node.mesh = mesh.flatMap { NetworkAddress($0) }
        node.handshake = role == .router ? .accepted : nil
        return node
    }

    @Test("A router that others are to find on their own machine, and an edge that is nowhere")
    func addresses() throws {
        var facts = DoctorFacts(settings: try makeSettings())
        var listing = NodeLeases.Listing()
        facts.nodes = [
            try self.node("router-1", .router, http: "127.0.0.1:8101", mesh: "127.0.0.1:7101"),
            try self.node("edge-1", .edge, http: "127.0.0.1:8201"),
        ]
        listing.leases = facts.nodes.compactMap(\.lease)
        facts.leases = .value(listing)
        #expect(DoctorReport(facts).of("mesh.reachable").map(\.level) == [.ok], "all on one machine")
        facts.nodes.append(try self.node("edge-2", .edge, http: "10.0.0.7:8201"))
        let finding = try #require(DoctorReport(facts).of("mesh.reachable").first)
        #expect(finding.level == .fails && finding.subject == "router-1" && finding.message.contains("edge-2"))
        facts.nodes.append(try self.node("edge-3", .edge, http: "0.0.0.0:8201"))
        let nowhere = try #require(DoctorReport(facts).of("nodes.addresses").first)
        #expect(nowhere.level == .warning && nowhere.remedy?.contains("--advertise") == true)
    }

    @Test("Every check has a name, a title and a meaning of its own, and the list tells them")
    func registry() {
        let listing = DoctorReport.listing()
        for check in DoctorCheck.all {
            #expect(listing.contains(check.id) && listing.contains(check.title) && listing.contains(check.meaning))
            #expect(!check.title.hasSuffix(".") && check.meaning.hasSuffix("."))
        }
    }

    @Test("The time of an HTTP answer")
    func date() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT"
        #expect(DoctorCollector.milliseconds(ofHTTPDate: text) == 784_111_777_000)
        #expect(DoctorCollector.milliseconds(ofHTTPDate: "yesterday") == nil)
    }

    @Test("A page of metrics")
    func metrics() {
        let page = MetricsText(
            """
            # HELP a Of tests.
            a{x="1",y="with \\"quotes\\", and \\\\"} 2
            a{x="2"} 3.5
            b 1e3
            broken{
            c nonsense

            """
        )
        #expect(page.sum("a") == 5.5 && page.sum("b") == 1000 && page.sum("c") == nil)
        #expect(page.samples(of: "a").first?.labels == ["x": "1", "y": #"with "quotes", and \"#])
    }
}
