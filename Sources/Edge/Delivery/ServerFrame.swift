// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

/// Frames from an edge to a client, ready for the socket (RFC 6455 §5.2): final, not masked, no extension.
///
/// Written here and not by NIO's encoder, because the bytes of one frame go to many sessions.
enum ServerFrame {
    /// Bytes of the longest header.
    private static let headerBytesMax = 10

    static func text(_ payload: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: payload.count + Self.headerBytesMax)
        Self.writeHeader(opcode: 0x1, payloadBytes: payload.count, to: &buffer)
        buffer.writeBytes(payload)
        return buffer
    }

    static func text(_ message: ServerMessage) -> ByteBuffer {
        Self.text(message.encoded())
    }

    static func binary(_ payload: ByteBuffer) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: payload.readableBytes + Self.headerBytesMax)
        Self.writeHeader(opcode: 0x2, payloadBytes: payload.readableBytes, to: &buffer)
        buffer.writeImmutableBuffer(payload)
        return buffer
    }

    static func message(_ message: ServerMessage, in subprotocol: ClientSubprotocol) -> ByteBuffer {
        switch subprotocol {
        case .json: Self.text(message)
        case .binary: Self.binary(message.encodedBinary())
        }
    }

    static func close(_ code: CloseCode) -> ByteBuffer {
        Self.control(opcode: 0x8) { buffer in
            buffer.writeInteger(code.rawValue)
            buffer.writeString(code.reason)
        }
    }

    /// The answer to a client's close frame, with its own code.
    static func close(echoing code: UInt16?) -> ByteBuffer {
        Self.control(opcode: 0x8) { buffer in
            if let code { buffer.writeInteger(code) }
        }
    }

    static func ping() -> ByteBuffer {
        Self.control(opcode: 0x9) { _ in }
    }

    /// - Parameter payload: of the ping; at most 125 bytes, which the decoder has checked.
    static func pong(_ payload: ByteBuffer) -> ByteBuffer {
        Self.control(opcode: 0xA) { $0.writeImmutableBuffer(payload) }
    }

    private static func control(opcode: UInt8, _ write: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var payload = ByteBuffer()
        write(&payload)
        var buffer = ByteBuffer()
        Self.writeHeader(opcode: opcode, payloadBytes: payload.readableBytes, to: &buffer)
        buffer.writeBuffer(&payload)
        return buffer
    }

    private static func writeHeader(opcode: UInt8, payloadBytes: Int, to buffer: inout ByteBuffer) {
        buffer.writeInteger(0x80 | opcode)
        switch payloadBytes {
        case ...125:
            buffer.writeInteger(UInt8(payloadBytes))
        case ...0xFFFF:
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(payloadBytes))
        default:
            buffer.writeInteger(UInt8(127))
            buffer.writeInteger(UInt64(payloadBytes))
        }
    }
}
