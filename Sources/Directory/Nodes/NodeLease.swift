// SPDX-License-Identifier: Apache-2.0

import Foundation
import Messaging

/// What a node does in the cluster. The raw value is the text in Redis; never rename.
package enum NodeRole: String, Sendable, Codable, CaseIterable {
    case edge
    case router
}

/// How far a node is. The raw value is the text in Redis; never rename.
package enum NodeState: String, Sendable, Codable, CaseIterable {
    /// Alive, not to be given work yet.
    case starting
    case ready
    /// On its way out: not to be given new work.
    case draining
}

/// A node that says that it lives, until its lease runs out.
package struct NodeLease: Hashable, Sendable {
    /// As in `cluster.yaml`.
    package var name: String
    package var incarnation: Incarnation
    package var role: NodeRole
    package var state: NodeState
    /// `host:port` where the node listens for the mesh; nil when it only dials.
    package var meshAddress: String?
    /// `host:port` of REST, WebSocket or health; nil when there is none.
    package var httpAddress: String?
    /// The version of the program.
    package var version: String
    /// The highest version of the mesh's protocol that it speaks; nil of a program that did not tell yet.
    package var meshVersion: UInt16?
    /// When this life of the node began.
    package var since: UnixMilliseconds

    package init(
        name: String,
        incarnation: Incarnation,
        role: NodeRole,
        state: NodeState,
        meshAddress: String?,
        httpAddress: String?,
        version: String,
        meshVersion: UInt16? = nil,
        since: UnixMilliseconds
    ) {
        self.name = name
        self.incarnation = incarnation
        self.role = role
        self.state = state
        self.meshAddress = meshAddress
        self.httpAddress = httpAddress
        self.version = version
        self.meshVersion = meshVersion
        self.since = since
    }
}

// MARK: - Stored form

/// The incarnation, a space, and a JSON object. The incarnation stands in front so that the scripts can compare it
/// without a JSON parser. Unknown fields of the object are skipped (contract C9).
extension NodeLease {
    private static let identifierBytes = 36

    private struct Fields: Codable {
        var name: String
        var role: NodeRole
        var state: NodeState
        var mesh: String?
        var http: String?
        var version: String
        var meshVersion: UInt16?
        var since: UnixMilliseconds

        enum CodingKeys: String, CodingKey {
            case name, role, state, mesh, http, version, since
            case meshVersion = "mesh_version"
        }
    }

    /// Nil when the lease is larger than ``DirectoryLimits/leaseBytesMax``, or its name is empty or too long.
    var stored: [UInt8]? {
        let fields = Fields(
            name: self.name,
            role: self.role,
            state: self.state,
            mesh: self.meshAddress,
            http: self.httpAddress,
            version: self.version,
            meshVersion: self.meshVersion,
            since: self.since
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard Self.isName(self.name), let json = try? encoder.encode(fields) else { return nil }
        let bytes = Array("\(self.incarnation) ".utf8) + json
        return bytes.count <= DirectoryLimits.leaseBytesMax ? bytes : nil
    }

    /// - Parameter name: The name that the key says; a lease that says another one is malformed.
    init?(stored bytes: [UInt8], name: String) {
        guard bytes.count <= DirectoryLimits.leaseBytesMax, bytes.count > Self.identifierBytes,
            bytes[Self.identifierBytes] == UInt8(ascii: " "),
            let incarnation = Incarnation(String(decoding: bytes.prefix(Self.identifierBytes), as: UTF8.self)),
            let fields = try? JSONDecoder().decode(Fields.self, from: Data(bytes[(Self.identifierBytes + 1)...])),
            fields.name == name, Self.isName(name)
        else { return nil }
        self.init(
            name: name,
            incarnation: incarnation,
            role: fields.role,
            state: fields.state,
            meshAddress: fields.mesh,
            httpAddress: fields.http,
            version: fields.version,
            meshVersion: fields.meshVersion,
            since: fields.since
        )
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= DirectoryLimits.nodeNameBytesMax
    }
}
