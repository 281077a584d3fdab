// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation

/// `trunkline config show --json`: where things are, for scripts, and every value as text with its origin. Holds no secret.
struct SettingsDocument: Encodable {
    struct Redis: Encodable {
        var url: String
        var host: String
        var port: Int
    }

    struct Shard: Encodable {
        var name: String
        /// In libpq's keywords, passwords masked.
        var connection: String
    }

    struct Node: Encodable {
        var name: String
        var role: String
        var http: String
        var mesh: String?
    }

    struct Value: Encodable {
        /// As in `nodes[2].http`.
        var path: String
        /// As in YAML.
        var value: String
        var origin: String
    }

    var cluster: String
    var redis: Redis
    var shards: [Shard]
    var nodes: [Node]
    var values: [Value]

    init(_ settings: ClusterSettings) {
        self.cluster = settings.cluster
        let address = settings.redis.url.address
        self.redis = Redis(url: settings.redis.url.description, host: address.host, port: address.port)
        self.shards = settings.shards.map { Shard(name: $0.name, connection: $0.connection.masked) }
        self.nodes = settings.nodes.map {
            Node(name: $0.name, role: $0.role.rawValue, http: $0.http.description, mesh: $0.mesh?.description)
        }
        self.values = settings.effectiveValues.map {
            Value(path: $0.path, value: $0.text(maskSecrets: true), origin: Self.text(of: $0.origin))
        }
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    private static func text(of origin: Origin) -> String {
        switch origin {
        case .standard: "default"
        case .file(let line): line.map { "file, line \($0)" } ?? "file"
        case .environment(let name): "environment \(name)"
        case .option(let name): "option \(name)"
        }
    }
}
