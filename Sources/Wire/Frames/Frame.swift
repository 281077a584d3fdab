// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What nodes say to each other. Frames ride in blocks.
///
/// Each is `u32 length of what follows | u8 type | body`, integers big-endian. A type from 128 on that is not known is
/// skipped; below, it ends the connection. The bodies of all frames without a payload may become longer in later
/// versions: what follows the known fields is ignored (contract C9).
package enum Frame: Sendable, Hashable {
    indirect case hello(HelloFrame)
    indirect case proof(ProofFrame)
    indirect case welcome(WelcomeFrame)
    indirect case refused(RefusedFrame)
    case heartbeat(HeartbeatFrame)
    case heartbeatAck(HeartbeatFrame)
    case credit(CreditFrame)
    indirect case goodbye(GoodbyeFrame)
    case request(RequestFrame)
    case response(ResponseFrame)
    case notification(NotificationFrame)
}

/// Types of frames on the wire. Never changed or used again for something else.
enum FrameType: UInt8 {
    case hello = 1
    case proof = 2
    case welcome = 3
    case refused = 4
    case heartbeat = 5
    case heartbeatAck = 6
    case credit = 7
    case goodbye = 8
    case request = 16
    case response = 17
    case notification = 18

    /// Unknown types from here on may be skipped.
    static let skippableMin: UInt8 = 128
}

extension Frame {
    /// What the frame is called in messages.
    package var name: String { String(describing: self.type) }

    var type: FrameType {
        switch self {
        case .hello: .hello
        case .proof: .proof
        case .welcome: .welcome
        case .refused: .refused
        case .heartbeat: .heartbeat
        case .heartbeatAck: .heartbeatAck
        case .credit: .credit
        case .goodbye: .goodbye
        case .request: .request
        case .response: .response
        case .notification: .notification
        }
    }

    /// Bytes of the whole frame, with its length and type.
    package var encodedBytes: Int { FrameLimits.headerBytes + self.bodyBytes }

    private var bodyBytes: Int {
        switch self {
        case .hello(let frame): frame.bodyBytes
        case .proof(let frame): frame.bodyBytes
        case .welcome(let frame): frame.bodyBytes
        case .refused(let frame): frame.bodyBytes
        case .heartbeat(let frame), .heartbeatAck(let frame): frame.bodyBytes
        case .credit(let frame): frame.bodyBytes
        case .goodbye(let frame): frame.bodyBytes
        case .request(let frame): frame.bodyBytes
        case .response(let frame): frame.bodyBytes
        case .notification(let frame): frame.bodyBytes
        }
    }

    /// Appends the whole frame.
    package func encode(into buffer: inout ByteBuffer) {
        let length = UInt32(self.encodedBytes - 4)
        buffer.writeMultipleIntegers(length, self.type.rawValue)
        switch self {
        case .hello(let frame): frame.encode(into: &buffer)
        case .proof(let frame): frame.encode(into: &buffer)
        case .welcome(let frame): frame.encode(into: &buffer)
        case .refused(let frame): frame.encode(into: &buffer)
        case .heartbeat(let frame), .heartbeatAck(let frame): frame.encode(into: &buffer)
        case .credit(let frame): frame.encode(into: &buffer)
        case .goodbye(let frame): frame.encode(into: &buffer)
        case .request(let frame): frame.encode(into: &buffer)
        case .response(let frame): frame.encode(into: &buffer)
        case .notification(let frame): frame.encode(into: &buffer)
        }
    }

    /// Takes the frame at the front of a block's payload. Returns nil for one that is skipped.
    static func read(from payload: inout ByteBuffer) throws(WireError) -> Frame? {
        guard let (length, rawType) = payload.readMultipleIntegers(as: (UInt32, UInt8).self) else {
            throw WireError(.frameLength, "a block ends within the header of a frame")
        }
        guard length >= 1, let body = payload.readSlice(length: Int(length) - 1) else {
            throw WireError(
                .frameLength,
                "a frame of \(length) bytes with \(payload.readableBytes + 1) left in its block"
            )
        }
        guard let type = FrameType(rawValue: rawType) else {
            guard rawType >= FrameType.skippableMin else {
                throw WireError(.unknownFrameType, "frame type \(rawType)")
            }
            return nil
        }
        guard let frame = Self.decode(type, body) else {
            throw WireError(.malformedFrame, "the body of a \(type) frame of \(length) bytes")
        }
        return frame
    }

    private static func decode(_ type: FrameType, _ body: ByteBuffer) -> Frame? {
        switch type {
        case .hello: HelloFrame(body: body).map { .hello($0) }
        case .proof: ProofFrame(body: body).map { .proof($0) }
        case .welcome: WelcomeFrame(body: body).map { .welcome($0) }
        case .refused: RefusedFrame(body: body).map { .refused($0) }
        case .heartbeat: HeartbeatFrame(body: body).map { .heartbeat($0) }
        case .heartbeatAck: HeartbeatFrame(body: body).map { .heartbeatAck($0) }
        case .credit: CreditFrame(body: body).map { .credit($0) }
        case .goodbye: GoodbyeFrame(body: body).map { .goodbye($0) }
        case .request: RequestFrame(body: body).map { .request($0) }
        case .response: ResponseFrame(body: body).map { .response($0) }
        case .notification: NotificationFrame(body: body).map { .notification($0) }
        }
    }
}
