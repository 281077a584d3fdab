// SPDX-License-Identifier: Apache-2.0

internal import Messaging
internal import NIOCore
internal import NIOHTTP1
internal import NIOWebSocket

/// When no WebSocket comes about, or one breaks.
extension TrunklineSocket {
    /// The edge answered something else than the agreement, perhaps with the time to come again.
    func upgradeRefused(_ head: HTTPResponseHead) {
        var error = TrunklineError(status: Int(head.status.code), body: ByteBuffer(), headers: head.headers)
        error.message = "The edge opened no WebSocket: HTTP \(head.status.code)."
        self.end(SocketClosure(lost: error))
    }

    /// There was no answer, or none that NIO's handler takes for one.
    func upgradeFailed(_ error: any Error) {
        if let failure = TrunklineError(handshakeFailure: error) {
            return self.fail(failure.code, failure.message)
        }
        switch error {
        case is ChannelError, is IOError, HTTPParserError.invalidEOFState:
            self.fail(.connectionLost, "The connection ended before the edge agreed to a WebSocket: \(error)")
        default:
            self.fail(.protocolViolation, "The edge did not agree to a WebSocket: \(error)")
        }
    }

    func errorCaught(_ error: any Error) {
        if error is NIOWebSocketError {
            self.violation("The edge sent frames that RFC 6455 does not allow: \(error)")
        } else {
            self.fail(.connectionLost, "The connection broke: \(error)")
        }
    }
}
