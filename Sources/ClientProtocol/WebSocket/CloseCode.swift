// SPDX-License-Identifier: Apache-2.0

/// Why an edge closes a WebSocket. Numbers and names are never changed or used again for something else.
///
/// 4000–4499: the client should connect again, after a pause with jitter. 4500–4999: connecting again with the same
/// input ends the same way. Numbers below 4000 are those of RFC 6455 §7.4.1.
package enum CloseCode: UInt16, Sendable, CaseIterable {
    /// The answer to a close of the client.
    case normal = 1000
    /// Frames that RFC 6455 does not allow, unmasked ones for example.
    case protocolError = 1002
    /// A text message that is not UTF-8.
    case invalidText = 1007
    /// A message over the bound told in `authenticated`.
    case messageTooBig = 1009

    /// The edge stops; another one, or the same after its start, will answer.
    case shuttingDown = 4000
    /// Nothing came from the client for too long.
    case heartbeatTimeout = 4001
    /// The edge has no room for this session.
    case overloaded = 4002
    /// There was no `authenticate` in time.
    case authenticationTimeout = 4003
    /// The edge is at fault.
    case `internal` = 4004

    /// The token is not one of this cluster, or not that of the device.
    case invalidToken = 4500
    /// The same device has a newer session.
    case replaced = 4501
    /// A binary message where JSON is spoken.
    case binaryMessage = 4502
    /// More wrong commands in a row than a client with a defect should be allowed.
    case tooManyErrors = 4503
    /// The access token ended: get a fresh one first.
    case tokenExpired = 4504
    /// The user has as many devices with a session as there may be.
    case tooManyDevices = 4505
    /// A text message where the binary protocol is spoken.
    case textMessage = 4506

    /// Whether connecting again, with the same input and after a pause, can end better.
    package var mayReconnect: Bool {
        switch self.rawValue {
        case 4000..<4500: true
        case 4500...: false
        default: self == .normal
        }
    }

    /// For documentation and metrics.
    package var name: String {
        switch self {
        case .normal: "normal"
        case .protocolError: "protocol_error"
        case .invalidText: "invalid_text"
        case .messageTooBig: "message_too_big"
        case .shuttingDown: "shutting_down"
        case .heartbeatTimeout: "heartbeat_timeout"
        case .overloaded: "overloaded"
        case .authenticationTimeout: "authentication_timeout"
        case .internal: "internal"
        case .invalidToken: "invalid_token"
        case .replaced: "replaced"
        case .binaryMessage: "binary_message"
        case .tooManyErrors: "too_many_errors"
        case .tokenExpired: "token_expired"
        case .tooManyDevices: "too_many_devices"
        case .textMessage: "text_message"
        }
    }

    /// The reason in the close frame: at most 123 bytes (RFC 6455 §5.5).
    package var reason: String {
        switch self {
        case .normal: ""
        case .protocolError: "frames that RFC 6455 does not allow"
        case .invalidText: "a text message that is not UTF-8"
        case .messageTooBig: "a message over the bound"
        case .shuttingDown: "this edge stops, connect again"
        case .heartbeatTimeout: "nothing came for too long"
        case .overloaded: "no room at the moment, connect again later"
        case .authenticationTimeout: "no authenticate in time"
        case .internal: "an error of this edge, connect again"
        case .invalidToken: "the token is not valid for this device"
        case .replaced: "the device has a newer session"
        case .binaryMessage: "only text messages are understood"
        case .tooManyErrors: "too many wrong commands in a row"
        case .tokenExpired: "the access token ended, get a fresh one"
        case .tooManyDevices: "too many devices have a session"
        case .textMessage: "only binary messages are understood"
        }
    }
}
