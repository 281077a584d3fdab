// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOWebSocket

/// Writes the frames of a client (RFC 6455 §5.2 and §5.3): whole messages, masked, one behind the other in one buffer,
/// so that everything that waits for a socket goes out with one write.
enum MaskedFrame {
    /// Bytes before the payload: two, up to eight of the length, four of the mask.
    static let headerBytesMax = 14

    /// What a close frame holds (§5.5.1).
    static func closePayload(_ code: UInt16) -> [UInt8] {
        [UInt8(truncatingIfNeeded: code >> 8), UInt8(truncatingIfNeeded: code)]
    }

    static func append(
        _ opcode: WebSocketOpcode,
        _ payload: [UInt8],
        mask: UInt32,
        to buffer: inout ByteBuffer
    ) {
        let masked: UInt8 = 0x80
        let count = payload.count
        buffer.reserveCapacity(minimumWritableBytes: Self.headerBytesMax + count)
        // The last fragment of a message, and its first.
        buffer.writeInteger(0x80 | opcode.number)
        switch count {
        case ..<126:
            buffer.writeInteger(masked | UInt8(truncatingIfNeeded: count))
        case ..<0x1_0000:
            buffer.writeInteger(masked | 126)
            buffer.writeInteger(UInt16(truncatingIfNeeded: count))
        default:
            buffer.writeInteger(masked | 127)
            buffer.writeInteger(UInt64(count))
        }
        buffer.writeInteger(mask)
        buffer.writeBytes(payload)
        let key = mask.bigEndian
        buffer.withUnsafeMutableReadableBytes { bytes in
            var position = bytes.count - count
            while position + 4 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
                bytes.storeBytes(of: word ^ key, toByteOffset: position, as: UInt32.self)
                position += 4
            }
            for (index, end) in (position..<bytes.count).enumerated() {
                bytes[end] ^= UInt8(truncatingIfNeeded: mask >> UInt32(24 - 8 * index))
            }
        }
    }
}

extension WebSocketOpcode {
    fileprivate var number: UInt8 { UInt8(webSocketOpcode: self) }
}
