// SPDX-License-Identifier: Apache-2.0

import Messaging

/// What a node is for. The raw value travels in the handshake and is never used again for something else.
package enum NodeRole: UInt8, Sendable, Hashable, CaseIterable {
    /// Terminates clients. Dials routers, is never dialled.
    case edge = 1
    /// Owns slots. Is dialled by edges; of two routers the one with the smaller name dials.
    case router = 2
}

/// One life of one node, as proven in the handshake.
package struct PeerIdentity: Hashable, Sendable {
    /// As in `cluster.yaml`; 1…``MeshLimits/nodeNameBytesMax`` bytes of UTF-8.
    package var name: String
    /// A later life of the same node has a larger one (UUIDv7).
    package var incarnation: Incarnation
    package var role: NodeRole

    package init(name: String, incarnation: Incarnation, role: NodeRole) {
        self.name = name
        self.incarnation = incarnation
        self.role = role
    }
}

extension PeerIdentity: CustomStringConvertible {
    package var description: String { "\(self.role) \(self.name) (\(self.incarnation))" }
}

/// A node that may be dialled, and where.
package struct MeshPeer: Hashable, Sendable {
    package var name: String
    package var role: NodeRole
    /// A name or an address.
    package var host: String
    package var port: Int

    package init(name: String, role: NodeRole, host: String, port: Int) {
        self.name = name
        self.role = role
        self.host = host
        self.port = port
    }
}
