// SPDX-License-Identifier: Apache-2.0

import TestSupport

/// A WebSocket that authenticates and then does not read.
final class SlowReader: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    private let connection: TCPConnection

    /// Blocks until the edge has said `authenticated`.
    init(port: UInt16, user: TestUser) throws {
        self.connection = try TCPConnection(port: port, timeoutSeconds: 30)
        self.connection.send(
            Array(
                """
                GET /ws HTTP/1.1\r
                Host: 127.0.0.1:\(port)\r
                Connection: Upgrade\r
                Upgrade: websocket\r
                Sec-WebSocket-Version: 13\r
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
                \r

                """.utf8
            )
        )
        let text = #"{"id":"1","type":"authenticate","token":"\#(user.token)","device_id":"\#(user.device)"}"#
        let payload = Array(text.utf8)
        // Masked with zeros, so the bytes stand as they are.
        self.connection.send(
            [0x81, 0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), 0, 0, 0, 0] + payload
        )
        var seen: [UInt8] = []
        while seen.firstIndex(of: Array(#""authenticated""#.utf8)) == nil {
            guard let bytes = self.connection.receive(atMost: 4096), !bytes.isEmpty else {
                throw Failure(description: "not authenticated: \(String(decoding: seen, as: UTF8.self))")
            }
            seen += bytes
        }
    }

    /// Reads everything that waits, until the edge says `resync`. Returns how many messages came before.
    func readUntilResync() throws -> Int {
        let resync = Array(#""resync""#.utf8)
        let message = Array(#""new_message""#.utf8)
        var tail: [UInt8] = []
        var count = 0
        while let bytes = self.connection.receive(), !bytes.isEmpty {
            tail += bytes
            while let found = tail.firstIndex(of: message) {
                count += 1
                tail.removeFirst(found + message.count)
            }
            if tail.firstIndex(of: resync) != nil { return count }
            tail = Array(tail.suffix(64))
        }
        throw Failure(description: "no resync after \(count) messages")
    }
}
