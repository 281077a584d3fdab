// SPDX-License-Identifier: Apache-2.0

/// The client's side of RFC 6455, written by hand: it shares no code with the edge that it tests.
package enum PlainFrame {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// One frame as a client sends it.
    package static func bytes(opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, isMasked: Bool = true) -> [UInt8]
    {
        var frame: [UInt8] = [(isFinal ? 0x80 : 0) | opcode]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ..<126: frame.append(mask | UInt8(payload.count))
        case ..<65_536: frame += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            frame.append(mask | 127)
            frame += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        guard isMasked else { return frame + payload }
        let key: [UInt8] = [0x12, 0x34, 0x56, 0x78]
        return frame + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }
}

extension TCPConnection {
    /// Shakes hands; blocks.
    func openWebSocket(port: UInt16, path: String = "/ws") throws {
        self.send(
            Array(
                """
                GET \(path) HTTP/1.1\r
                Host: 127.0.0.1:\(port)\r
                Connection: Upgrade\r
                Upgrade: websocket\r
                Sec-WebSocket-Version: 13\r
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
                \r

                """.utf8
            )
        )
        var head: [UInt8] = []
        while head.firstIndex(of: [13, 10, 13, 10]) == nil {
            guard let bytes = self.receive(atMost: 1), !bytes.isEmpty else {
                throw PlainFrame.Failure(description: "no handshake: \(String(decoding: head, as: UTF8.self))")
            }
            head += bytes
        }
        let text = String(decoding: head, as: UTF8.self)
        // The answer to the key above, from RFC 6455 §1.3.
        guard text.hasPrefix("HTTP/1.1 101"), text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") else {
            throw PlainFrame.Failure(description: "refused: \(text)")
        }
    }
}
