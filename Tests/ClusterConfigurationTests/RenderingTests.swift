// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

@Suite("config show and config reference")
struct RenderingTests {
    @Test("Values are shown with their origin")
    func origins() throws {
        let settings = try ClusterSettings.parse(
            yaml: Fixture.minimal,
            environment: ["TRUNKLINE_NODES__EDGE_1__HTTP": "127.0.0.1:9"]
        )
        let lines = settings.render(maskSecrets: true).split(separator: "\n")
        #expect(lines.contains("cluster: test  # file, line 1"))
        #expect(lines.contains("  mesh_secret: {env: TRUNKLINE_MESH_SECRET}  # default"))
        #expect(lines.contains("    http: 127.0.0.1:9  # environment TRUNKLINE_NODES__EDGE_1__HTTP"))
        #expect(lines.contains("  session_unsent_bytes: 1MiB  # default"))
        #expect(lines.contains("  refresh_lifetime: 30d  # default"))
        #expect(!lines.contains { $0.hasPrefix("  password") })
    }

    @Test("Passwords are masked")
    func masked() throws {
        for connection in ["host=h dbname=d password=hunter2", "postgresql://u:hunter2@h/d"] {
            let yaml = Fixture.minimal(replacing: "host=127.0.0.1 dbname=trunkline", with: connection)
            let settings = try ClusterSettings.parse(yaml: yaml)
            #expect(!settings.render(maskSecrets: true).contains("hunter2"))
            #expect(settings.render(maskSecrets: false).contains("hunter2"))
        }
    }

    @Test("What is shown reads back as the same settings")
    func readsBack() throws {
        let connection = "\"host=h dbname=d password='a: b #c \\\\\\\" \\t\\u00e9\\x85'\""
        let yaml =
            Fixture.minimal(replacing: "host=127.0.0.1 dbname=trunkline", with: connection) + """
                secrets: {mesh_secret: {file: "/etc/a, b: {c}"}, token_secret: {env: "- x"}}
                timeouts: {submit: 1m}
                log: {level: error}

                """
        let settings = try ClusterSettings.parse(yaml: yaml)
        let rendered = settings.render(maskSecrets: false)
        let again = try ClusterSettings.parse(yaml: rendered)
        #expect(again.cluster == settings.cluster)
        #expect(again.secrets == settings.secrets)
        #expect(again.redis == settings.redis)
        #expect(again.shards == settings.shards)
        #expect(again.nodes == settings.nodes)
        #expect(again.limits == settings.limits)
        #expect(again.timeouts == settings.timeouts)
        #expect(again.tokens == settings.tokens)
        #expect(again.passwords == settings.passwords)
        #expect(again.log == settings.log)
        #expect(again.shards[0].connection.exposedText.contains("\u{85}"))
    }

    @Test("The reference names every key with default, bounds and variable")
    func reference() throws {
        let reference = ClusterSettings.reference()
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal)
        for value in settings.effectiveValues {
            let path = value.path.replacing("[0]", with: "[]").replacing("[1]", with: "[]")
            #expect(reference.contains("\(path)\n"), "\(path)")
        }
        #expect(reference.contains("TRUNKLINE_TIMEOUTS__SUBMIT\n"))
        #expect(reference.contains("time (ms, s, m, h or d), 100ms to 5m; default 15s\n"))
        #expect(reference.contains("TRUNKLINE_NODES__NAME__HTTP\n"))
        #expect(reference.contains("TRUNKLINE_SECRETS__MESH_SECRET__ENV or TRUNKLINE_SECRETS__MESH_SECRET__FILE\n"))
        #expect(!reference.contains("TRUNKLINE_NODES__NAME__NAME"))
    }

    @Test("Every default is within its own bounds and can be set from the environment")
    func everyKeyFromEnvironment() throws {
        let reference = ClusterSettings.reference().split(separator: "\n").map { $0.drop { $0 == " " } }
        var environment: [String: String] = [:]
        for (line, next) in zip(reference, reference.dropFirst()) {
            guard let range = line.firstRange(of: "; default "), next.hasPrefix("TRUNKLINE_") else { continue }
            if next.contains(" or ") { continue }
            environment[String(next)] = String(line[range.upperBound...])
        }
        #expect(environment.count > 30)
        let settings = try ClusterSettings.parse(yaml: Fixture.minimal, environment: environment)
        #expect(settings.limits == ClusterSettings.defaults.limits)
        #expect(settings.timeouts == ClusterSettings.defaults.timeouts)
        let fromEnvironment = settings.effectiveValues.filter {
            if case .environment = $0.origin { true } else { false }
        }
        #expect(fromEnvironment.count == environment.count)
    }
}
