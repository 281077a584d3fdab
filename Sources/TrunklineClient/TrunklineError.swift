// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// Why something that was asked of the cluster did not happen.
package struct TrunklineError: Error, Hashable, Sendable {
    package enum Code: Hashable, Sendable {
        /// The cluster said so.
        case server(ErrorCode)
        /// No connection was made: nothing was sent.
        case notConnected
        /// The connection ended before the answer came.
        case connectionLost
        /// The edge asked to connect to another one, as an operator had it; what had no answer is sent again there.
        case askedToMove
        /// The answer did not come in time.
        case timedOut
        /// What came does not follow the protocol.
        case protocolViolation
        /// The bound of what may wait for its answer is reached; nothing was sent.
        case backlogFull
        /// The session has ended for good.
        case sessionEnded
        /// An edge closed the WebSocket, with the code of RFC 6455 §7.4 that came, if any.
        case closed(UInt16?)
    }

    package var code: Code
    package var message: String
    /// How long to wait before trying again, where the cluster said so.
    package var retryAfterMilliseconds: UInt32?
    /// The HTTP status, of REST answers.
    package var status: Int?

    package init(_ code: Code, _ message: String, retryAfterMilliseconds: UInt32? = nil, status: Int? = nil) {
        self.code = code
        self.message = message
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.status = status
    }

    package init(_ failure: Failure, status: Int? = nil) {
        self.init(
            .server(failure.code),
            failure.message,
            retryAfterMilliseconds: failure.retryAfterMilliseconds,
            status: status
        )
    }

    /// A name for counters and reports: that of the cluster's code, or one of this client's.
    package var name: String {
        switch self.code {
        case .server(let code): code.name
        case .notConnected: "not_connected"
        case .connectionLost: "connection_lost"
        case .askedToMove: "asked_to_move"
        case .timedOut: "timed_out"
        case .protocolViolation: "protocol_violation"
        case .backlogFull: "backlog_full"
        case .sessionEnded: "session_ended"
        case .closed(let code): code.map { "closed_\($0)" } ?? "closed"
        }
    }

    /// Whether the same request can succeed later without being changed.
    package var isRetryable: Bool {
        switch self.code {
        case .server(let code): code.isRetryable
        case .notConnected, .connectionLost, .askedToMove, .timedOut, .backlogFull: true
        case .protocolViolation, .sessionEnded, .closed: false
        }
    }

    /// Whether it is sure that the request had no effect.
    package var hadNoEffect: Bool {
        switch self.code {
        case .server(let code):
            switch code {
            case .outcomeUnknown, .internal: false
            default: true
            }
        case .notConnected, .backlogFull: true
        case .connectionLost, .askedToMove, .timedOut, .protocolViolation, .sessionEnded, .closed: false
        }
    }
}

extension TrunklineError: CustomStringConvertible {
    package var description: String {
        self.status.map { "\(self.name) (HTTP \($0)): \(self.message)" } ?? "\(self.name): \(self.message)"
    }
}
