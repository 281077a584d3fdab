// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore
internal import NIOWebSocket

/// Puts the frames of a client together to messages, by the rules of RFC 6455. Pure.
///
/// Bounded: a message, whole or in fragments, has at most ``messageBytesMax`` bytes; no memory is taken beyond.
struct MessageAssembler {
    /// Bytes of one message.
    let messageBytesMax: Int
    private let opcode: WebSocketOpcode
    private let wrongOpcode: CloseCode
    /// The fragments so far; nil between messages.
    private(set) var fragments: ByteBuffer?

    /// - Parameter subprotocol: says which of text and binary messages are taken.
    init(messageBytesMax: Int, subprotocol: ClientSubprotocol = .json) {
        self.messageBytesMax = messageBytesMax
        switch subprotocol {
        case .json: (self.opcode, self.wrongOpcode) = (.text, .binaryMessage)
        case .binary: (self.opcode, self.wrongOpcode) = (.binary, .textMessage)
        }
    }

    enum Event: Equatable {
        /// A whole message, a text not yet known to be UTF-8.
        case message(ByteBuffer)
        case ping(ByteBuffer)
        case pong
        /// With the code to answer with.
        case close(UInt16?)
        /// The first part of a message.
        case incomplete
        case violation(CloseCode)
    }

    mutating func receive(_ frame: WebSocketFrame) -> Event {
        // No extension is ever agreed on, so no reserved bit has a meaning.
        guard frame.maskKey != nil, !frame.rsv1, !frame.rsv2, !frame.rsv3 else { return .violation(.protocolError) }
        switch frame.opcode {
        case .text, .binary:
            guard frame.opcode == self.opcode else { return .violation(self.wrongOpcode) }
            return self.fragments == nil ? self.append(frame) : .violation(.protocolError)
        case .continuation:
            return self.fragments == nil ? .violation(.protocolError) : self.append(frame)
        case .ping:
            return frame.fin ? .ping(frame.unmaskedData) : .violation(.protocolError)
        case .pong:
            return frame.fin ? .pong : .violation(.protocolError)
        case .connectionClose:
            return frame.fin ? Self.close(frame.unmaskedData) : .violation(.protocolError)
        default:
            return .violation(.protocolError)
        }
    }

    private mutating func append(_ frame: WebSocketFrame) -> Event {
        guard (self.fragments?.readableBytes ?? 0) + frame.length <= self.messageBytesMax else {
            return .violation(.messageTooBig)
        }
        var data = frame.unmaskedData
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

    /// RFC 6455 §5.5.1 and §7.4: nothing, or a code that may be sent, with UTF-8 behind it.
    private static func close(_ payload: ByteBuffer) -> Event {
        var payload = payload
        guard payload.readableBytes > 0 else { return .close(nil) }
        guard let code = payload.readInteger(as: UInt16.self) else { return .violation(.protocolError) }
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: break
        default: return .violation(.protocolError)
        }
        guard payload.isUTF8 else { return .violation(.invalidText) }
        return .close(code)
    }
}

extension ByteBuffer {
    var isUTF8: Bool {
        self.withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) != nil }
    }
}
