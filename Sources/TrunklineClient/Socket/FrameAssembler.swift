// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore
internal import NIOWebSocket

/// Puts the frames of an edge together to messages, by the rules of RFC 6455. Pure.
///
/// Bounded: a message, whole or in fragments, has at most `messageBytesMax` bytes; no memory is taken beyond.
struct FrameAssembler {
    let messageBytesMax: Int
    private let opcode: WebSocketOpcode
    /// The fragments so far; nil between messages.
    private var fragments: ByteBuffer?

    init(messageBytesMax: Int, subprotocol: ClientSubprotocol = .json) {
        self.messageBytesMax = messageBytesMax
        self.opcode = subprotocol == .json ? .text : .binary
    }

    enum Event: Equatable {
        /// Of the kind that was agreed on.
        case message(ByteBuffer)
        case ping(ByteBuffer)
        case pong
        /// With the code, when there is one, and the reason.
        case close(UInt16?, String)
        /// The first part of a message.
        case incomplete
        /// What the edge did wrong.
        case violation(String)
    }

    mutating func receive(_ frame: WebSocketFrame) -> Event {
        // An edge does not mask (§5.1), and no extension is ever agreed on.
        guard frame.maskKey == nil else { return .violation("a masked frame") }
        guard !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .violation("a reserved bit") }
        switch frame.opcode {
        case self.opcode:
            return self.fragments == nil ? self.append(frame) : .violation("a message inside a message")
        case .continuation:
            return self.fragments == nil ? .violation("a continuation of nothing") : self.append(frame)
        case .ping:
            return frame.fin ? .ping(frame.data) : .violation("a control frame in fragments")
        case .pong:
            return frame.fin ? .pong : .violation("a control frame in fragments")
        case .connectionClose:
            return frame.fin ? Self.close(frame.data) : .violation("a control frame in fragments")
        default:
            return .violation("a frame of a kind that was not agreed on")
        }
    }

    private mutating func append(_ frame: WebSocketFrame) -> Event {
        guard (self.fragments?.readableBytes ?? 0) + frame.length <= self.messageBytesMax else {
            return .violation("a message over \(self.messageBytesMax) bytes")
        }
        var data = frame.data
        guard self.fragments != nil else {
            guard !frame.fin else { return .message(data) }
            self.fragments = data
            return .incomplete
        }
        // Where they are: a second owner would have everything so far copied with every fragment.
        self.fragments?.writeBuffer(&data)
        guard frame.fin, let whole = self.fragments else { return .incomplete }
        self.fragments = nil
        return .message(whole)
    }

    private static func close(_ payload: ByteBuffer) -> Event {
        var payload = payload
        guard payload.readableBytes > 0 else { return .close(nil, "") }
        guard let code = payload.readInteger(as: UInt16.self) else { return .violation("a close frame of one byte") }
        return .close(code, payload.readString(length: payload.readableBytes) ?? "")
    }
}
