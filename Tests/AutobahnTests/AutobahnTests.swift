// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// The Autobahn test suite as a client, where `scripts/autobahn` has installed it and says so in the environment.
@Suite("WebSocket conformance", .serialized)
struct AutobahnTests {
    private static let program = ProcessInfo.processInfo.environment["TRUNKLINE_WSTEST"]
    private static let folder = ProcessInfo.processInfo.environment["TRUNKLINE_AUTOBAHN_FOLDER"] ?? ""

    @Test("The echo is the session's answer to each message, in order")
    func echo() async throws {
        try await EchoEdge.with { edge in
            let client = try await onThread { try PlainWebSocket(port: UInt16(edge.port)) }
            client.send(text: "[1]")
            client.send(opcode: 1, Array("[2,".utf8), isFinal: false)
            client.send(opcode: 9, Array("in between".utf8))
            client.send(opcode: 0, Array("3]".utf8))
            try await eventually("both come back") { client.texts == [Array("[1]".utf8), Array("[2,3]".utf8)] }
            client.send(opcode: 1, [0xFF])
            try await eventually("closed for text that is not UTF-8") { client.closeCode == 1007 }
        }
    }

    @Test("Every case of Autobahn that applies", .enabled(if: program != nil))
    func conformance() async throws {
        let report = try await EchoEdge.with { edge in
            try await Self.run(port: edge.port, cases: ["*"], name: "echo")
        }
        // Binary messages are refused with a code of their own, so their cases cannot be met.
        let binary = report.cases.filter { AutobahnReport.isFailure($0) && $0.closeCode == 4502 }
        let others = report.cases.filter { !AutobahnReport.isFailure($0) || $0.closeCode != 4502 }
        Self.show("Edge with an echo", others, [("refused, as documented: binary messages", binary)])
        #expect(binary.allSatisfy { Self.isBinary($0.number) }, "\(binary.map(\.number))")
        Self.expectConformance(of: others)
    }

    @Test("A whole cluster, in the cases that need no echo", .enabled(if: program != nil))
    func cluster() async throws {
        let cluster = try await TestCluster(routers: 1, edges: 1, shards: 1)
        let port = Int(cluster.edges[0].httpPort)
        let report = try await Self.run(port: port, cases: Self.casesWithoutEcho, name: "cluster")
        Self.show("Edge of a cluster", report.cases, [])
        Self.expectConformance(of: report.cases)
    }

    // MARK: - Cases

    /// Pings, reserved opcodes, control frames in fragments, and closing.
    private static let casesWithoutEcho = [
        "2.*", "4.1.1", "4.1.2", "4.2.1", "4.2.2", "5.1", "5.2", "7.3.*", "7.5.1", "7.7.*", "7.9.*",
    ]

    /// The cases that send binary messages: 1.2 by size, 9.2, 9.4, 9.6 and 9.8 by size and number.
    private static func isBinary(_ number: String) -> Bool {
        ["1.2.", "9.2.", "9.4.", "9.6.", "9.8."].contains { number.hasPrefix($0) }
    }

    // MARK: - Running

    private static func run(port: Int, cases: [String], name: String) async throws -> AutobahnReport {
        let program = try #require(self.program)
        let folder = self.folder + "/" + name
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let server = ["agent": "trunkline", "url": "ws://127.0.0.1:\(port)/ws"] as [String: String]
        let settings: [String: Any] = [
            "outdir": folder, "servers": [server], "cases": cases, "exclude-cases": [String](),
            "exclude-agent-cases": [String: String](),
        ]
        let file = folder + "/fuzzingclient.json"
        try JSONSerialization.data(withJSONObject: settings).write(to: URL(fileURLWithPath: file))
        let process = try GuardedProcess(
            [program, "-m", "fuzzingclient", "-s", file],
            environment: ProcessInfo.processInfo.environment,
            output: folder + "/wstest.log"
        )
        try await eventually("all cases are run", within: .seconds(3600)) { process.exitStatus != nil }
        #expect(process.exitStatus == 0, "see \(folder)/wstest.log")
        return try AutobahnReport(json: Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/index.json"))))
    }

    private static func show(
        _ title: String,
        _ cases: [AutobahnReport.Case],
        _ more: [(name: String, cases: [AutobahnReport.Case])]
    ) {
        let groups = Dictionary(grouping: cases, by: \.behavior).sorted { $0.key < $1.key }
            .map { (name: $0.key, cases: $0.value) }
        print("\(title), \(self.folder)\n" + AutobahnReport.table(groups + more.filter { !$0.cases.isEmpty }))
    }

    private static func expectConformance(of cases: [AutobahnReport.Case]) {
        #expect(!cases.isEmpty)
        for found in cases {
            #expect(
                !AutobahnReport.isFailure(found),
                "case \(found.number): \(found.behavior), at the end \(found.behaviorClose)"
            )
        }
    }
}
