// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation

/// `trunkline config show --json`: where things are, for scripts, and every value as text with its origin. Holds no secret.
struct SettingsDocument: Encodable {
    struct Redis: Encodable {
        var url: String
        /// Of the first address.
        var host: String
        var port: Int
        /// Of the servers, or of the sentinels when there is a `primary_name`.
        var addresses: [String]
        var primaryName: String?

        enum CodingKeys: String, CodingKey {
            case url, host, port, addresses
            case primaryName = "primary_name"
        }

        init(_ url: RedisURL) {
            self.url = url.description
            self.host = url.addresses.first?.host ?? ""
            self.port = url.addresses.first?.port ?? 0
            self.addresses = url.addresses.map(\.description)
            self.primaryName = url.primaryName
        }
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
        self.redis = Redis(settings.redis.url)
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
