// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Messaging
import NIOPosix
import TestSupport
import Testing

@testable import Operations

@Suite("The registry of operators' verbs")
struct VerbTests {
    private static func isAnswered(_ verb: OperatorVerb, by method: OperatorVerb.Method) -> Bool {
        if case .routers(method, _) = verb.answerer { true } else { false }
    }

    @Test("Each verb stands there once, on a path of its own; what looks is a GET, what changes a POST")
    func consistency() {
        #expect(Set(OperatorVerb.all.map(\.name)).count == OperatorVerb.all.count)
        var places: [String] = []
        for verb in OperatorVerb.all {
            switch verb.answerer {
            case .routers(let method, let path):
                places.append("\(method) \(path)")
                #expect(verb.role != nil && method == (verb.changes ? .post : .get), "\(verb.name)")
                #expect(path == "/admin" || path.hasPrefix("/admin/"), "\(verb.name)")
                #expect(verb.answerer.parameters == verb.arguments, "\(verb.name)")
            case .commandLine(let reason):
                #expect(reason.count > 8 && verb.isCommand, "\(verb.name)")
                #expect(verb.options.allSatisfy { $0.parameter == nil || $0.name != nil }, "\(verb.name)")
            }
            #expect(verb.summary.hasSuffix("."), "\(verb.name)")
            #expect(verb.options.allSatisfy { !$0.summary.isEmpty && ($0.name ?? $0.parameter) != nil }, "\(verb.name)")
        }
        #expect(Set(places).count == places.count)
    }

    @Test("Whatever changes something can say first what it would do; only a node is just started")
    func dryRuns() {
        let others = OperatorVerb.all.filter { $0.changes && !$0.hasDryRun }.map(\.name)
        #expect(others == ["run"])
        let looking = OperatorVerb.all.filter { !$0.changes && $0.hasDryRun }.map(\.name)
        #expect(looking.isEmpty)
    }

    @Test("The pattern of a path has a parameter for each word in capitals")
    func patterns() {
        let answerer = OperatorVerb.Answerer.routers(.get, "/admin/users/USER/sessions")
        #expect(answerer.pattern == "admin/users/:user/sessions" && answerer.parameters == ["USER"])
        #expect(OperatorVerb.Answerer.commandLine("it is so").pattern == nil)
        #expect(OperatorVerb.verbs.answerer.pattern == "admin")
    }

    @Test("The admin interface answers exactly the verbs that the registry says it does")
    func routes() throws {
        let settings = try makeSettings()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let look = ClusterLook(
            settings: settings,
            secrets: testSecrets,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: logger
        )
        let interface = AdminInterface(
            own: "router-1",
            tokens: AdminTokens(read: nil, operate: nil),
            operate: { _, _ in .failure(.noSuchMessage) },
            isLinked: { _ in false },
            record: { _ in },
            audience: { AudienceCondition($0, nil) },
            look: look,
            doctor: { DoctorReport(DoctorFacts(settings: settings)) },
            logger: logger
        )
        let answered = interface.answers.map(\.verb.name)
        let promised = OperatorVerb.all.filter { $0.answerer.pattern != nil }.map(\.name)
        #expect(Set(answered) == Set(promised) && answered.count == promised.count)
    }

    @Test("What people and programs are shown names every verb")
    func listing() throws {
        let listing = VerbListing()
        let text = listing.text()
        let json = try JSONValue(json: try listing.json())["verbs"]?.array ?? []
        #expect(json.compactMap { $0["name"]?.string } == OperatorVerb.all.map(\.name))
        for verb in OperatorVerb.all { #expect(text.contains(verb.name) && text.contains(verb.summary)) }
        let drain = try #require(json.first { $0["name"]?.string == "drain" })
        #expect(drain["method"]?.string == "POST" && drain["path"]?.string == "/admin/nodes/NODE/drain")
        #expect(drain["role"]?.string == "operate" && drain["has_dry_run"]?.bool == true)
        let window = drain["options"]?.array?.first { $0["option"]?.string == "--window" }
        #expect(window?["parameter"]?.string == "window_ms")
        let plan = try #require(json.first { $0["name"]?.string == "plan" })
        #expect(plan["path"] == nil && plan["role"] == nil && plan["command_line_only"]?.string?.isEmpty == false)
    }

    /// The first column of the table under "Operating": `trunkline shard add`, `weight` are two verbs.
    static func verbs(inReadme text: String) -> [String] {
        let names = Set(OperatorVerb.all.map(\.name))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).drop { $0 != "## Operating" }.drop {
            !$0.hasPrefix("|")
        }
        var verbs: [String] = []
        for line in lines.prefix(while: { $0.hasPrefix("|") }) {
            guard let cell = line.dropFirst().split(separator: "|", omittingEmptySubsequences: false).first else {
                continue
            }
            var group = ""
            for (index, span) in cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            where !index.isMultiple(of: 2) {
                let words = span.split(separator: " ").drop { $0 == "trunkline" }
                    .prefix { $0.allSatisfy { $0.isLowercase } }.map(String.init)
                let name = words.joined(separator: " ")
                verbs.append(names.contains("\(group) \(name)") ? "\(group) \(name)" : name)
                if words.count > 1 { group = words[0] }
            }
        }
        return verbs
    }

    @Test("A row of the README's table may name several verbs of one group")
    func readingTheTable() {
        let text = """
            ## Operating

            | | |
            |---|---|
            | `trunkline nodes [--json]`, `top` | all |
            | `trunkline shard add`, `weight`, `remove` | shards |
            | `trunkline owner CONVERSATION`, `sessions USER` | who |

            | `trunkline version` | of another table |
            """
        #expect(
            Self.verbs(inReadme: text) == [
                "nodes", "top", "shard add", "shard weight", "shard remove", "owner", "sessions",
            ]
        )
    }
}
