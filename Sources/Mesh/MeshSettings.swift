// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import TransportSecurity
import Wire

/// What an operator may tune about the mesh, and what a node needs to prove that it belongs to the cluster.
///
/// The credit a node grants is told to its peers in the handshake, so nodes with different settings work together.
package struct MeshSettings: Sendable {
    /// Name of the cluster; a peer of another cluster is refused. 1…``MeshLimits/clusterNameBytesMax`` bytes.
    package var cluster: String
    /// The secret that all nodes of the cluster share. Never sent; only proofs made with it are.
    package var secret: [UInt8]
    /// The highest version of the protocol that this node speaks, within those of ``MeshVersion``.
    package var versionMax = MeshVersion.newest

    /// How often each side of a link sends a heartbeat on the control lane.
    package var heartbeatInterval: TimeAmount = .milliseconds(250)
    /// A link whose control lane brought nothing for this long is taken down.
    package var silenceLimit: TimeAmount = .milliseconds(1500)
    /// From the connection to both lanes being up; a slower peer is closed.
    package var handshakeTimeout: TimeAmount = .seconds(3)
    package var connectTimeout: TimeAmount = .seconds(2)
    /// The wait before dialling again starts here, doubles with each failure up to ``reconnectDelayMax``, and is
    /// shortened by a random part of up to one half.
    package var reconnectDelayMin: TimeAmount = .milliseconds(50)
    ///
    /// A node that comes back is of use when its peers have a link to it, so they look for it often: a dial that is
    /// refused costs next to nothing.
    package var reconnectDelayMax: TimeAmount = .milliseconds(300)

    /// Which blocks this node compresses. Nodes with different settings understand each other.
    package var compression = BlockCompression.standard

    /// Bytes that may wait to be sent on one link, and the same again for answers. At the bound a request or durable
    /// notification is refused; ephemeral notifications, which leave last, are dropped from half of it on; an answer is
    /// replaced by the news that it was lost.
    package var outboundQueueBytesMax = 64 * 1024 * 1024
    /// Frames that may wait to be sent on one link; the same behaviour at the bound.
    package var outboundQueueFramesMax = 65_536
    /// Requests of one link that have no answer yet, sent or not. At the bound further ones are refused.
    package var pendingRequestsMax = 65_536

    /// Requests and notifications that a peer may have under way to this node.
    package var creditItems = 4096
    /// Bytes of requests and notifications that a peer may have under way to this node; one frame may go over it.
    package var creditBytes = 8 * 1024 * 1024

    /// Has all connections speak TLS, and both sides show a certificate that names their node. Nil for none of it.
    package var certificates: LiveCertificates?

    /// Accepted connections that do not belong to a link yet. At the bound new ones are closed at once.
    package var unauthenticatedConnectionsMax = 64

    package init(cluster: String, secret: [UInt8]) {
        self.cluster = cluster
        self.secret = secret
    }
}

/// Bounds of the mesh that are part of its protocol, so they are not configuration.
package enum MeshLimits {
    package static let nodeNameBytesMax = 255
    package static let clusterNameBytesMax = 255
    /// Bytes of the payload of one request, response or notification.
    package static let payloadBytesMax = FrameLimits.payloadBytesMax
    /// Notification kinds that are counted one by one; those from here on are counted together.
    package static let countedKinds = 64
    /// How often the deadlines of a link's requests are looked at.
    package static let deadlineScanInterval: TimeAmount = .milliseconds(50)
    /// How long a link that was said goodbye on may take to write out what is under way.
    package static let goodbyeTimeout: TimeAmount = .milliseconds(500)
}
