// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Why a request has no answer.
package struct MeshError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// There was no link, or it went down before the request left. Nothing was sent.
        case notConnected
        /// The link went down after the request was handed to the socket.
        case linkLost
        /// The deadline passed first. ``MeshError/mayHaveArrived`` tells whether the request had left.
        case deadlineExceeded
        /// The queue of the link, or its table of pending requests, is at its bound. Nothing was sent.
        case overloaded
        /// This node is stopping. ``MeshError/mayHaveArrived`` tells whether the request had left.
        case shuttingDown
        /// The payload is over ``MeshLimits/payloadBytesMax``. Nothing was sent.
        case tooLarge
        /// The peer took the request but has no answer to it: it let the request go unanswered, or its queue of
        /// answers was full.
        case answerLost
    }

    package var code: Code
    /// False: the request never left this node, for certain. True: the peer may have acted on it.
    package var mayHaveArrived: Bool
    package var message: String

    package init(_ code: Code, mayHaveArrived: Bool, _ message: String) {
        self.code = code
        self.mayHaveArrived = mayHaveArrived
        self.message = message
    }

    package var description: String {
        "\(self.code.rawValue): \(self.message)\(self.mayHaveArrived ? " (it may have arrived)" : "")"
    }
}

/// The answer to a request.
package struct MeshResponse: Sendable, Hashable {
    /// Meaning given by whoever answers; below ``InboundRequest/reservedStatusMin``.
    package var status: UInt8
    /// A slice of what was read from the socket: copy it to keep it for long.
    package var payload: ByteBuffer

    package init(status: UInt8, payload: ByteBuffer) {
        self.status = status
        self.payload = payload
    }
}

/// What happens to a notification when the link to its receiver is full.
package enum TrafficClass: Sendable, Hashable {
    /// It is refused before it is accepted; the caller knows.
    case durable
    /// It is dropped and counted, and that earlier than durable traffic is refused.
    case ephemeral
}

/// What became of a notification at this node. Only `queued` means that it is under way.
package enum SendOutcome: Sendable, Hashable {
    case queued
    /// There is no link to that node.
    case notConnected
    /// Durable: the queue of the link is at its bound.
    case overloaded
    /// Ephemeral: the queue of the link is over half of its bound; counted.
    case dropped
    /// The payload is over ``MeshLimits/payloadBytesMax``.
    case tooLarge

    package var isQueued: Bool { self == .queued }
}
