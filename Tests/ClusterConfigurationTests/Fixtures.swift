// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Testing

enum Fixture {
    /// The smallest file that is right.
    static let minimal = """
        cluster: test
        redis:
          url: redis://127.0.0.1
        shards:
          - name: shard-1
            connection: host=127.0.0.1 dbname=trunkline
        nodes:
          - name: router-1
            role: router
            mesh: 127.0.0.1:7101
            http: 127.0.0.1:8101
          - name: edge-1
            role: edge
            http: 127.0.0.1:8201

        """

    /// The smallest file with one piece of text in place of another.
    static func minimal(replacing old: String, with new: String) -> String {
        precondition(Self.minimal.contains(old), "the fixture has no \(old)")
        return Self.minimal.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }

    static func problems(_ yaml: String, environment: [String: String] = [:]) -> [ConfigurationProblem] {
        do {
            _ = try ClusterSettings.parse(yaml: yaml, environment: environment)
            return []
        } catch {
            return error.problems
        }
    }

    /// The one problem that is expected; anything else is a failure of the test.
    static func problem(
        _ yaml: String,
        environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ConfigurationProblem {
        let problems = Self.problems(yaml, environment: environment)
        #expect(problems.count == 1, "\(problems)", sourceLocation: sourceLocation)
        return try #require(problems.first, sourceLocation: sourceLocation)
    }
}
