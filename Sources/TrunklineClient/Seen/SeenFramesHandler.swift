// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

/// Stands before the decoder of a connection and takes out the frames that another connection brought already
/// (``SeenFrames``); everything else goes on to the decoder, whole frames one by one where they came whole.
final class SeenFramesHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Bytes of the longest header of an unmasked frame (RFC 6455 §5.2).
    private static let headerBytesMax = 10

    private let seen: SeenFrames
    /// Gets the frames that were taken out, in their order: the first, and how many follow it by ``SeenFrames/Frame/next``.
    var receive: (SeenFrames.Frame, Int) -> Void = { _, _ in }
    /// The last message that came.
    private var last: SeenFrames.Frame?
    /// Bytes of a frame under way that the decoder gets as they come.
    private var owed = 0
    /// The beginning of a header.
    private var held: ByteBuffer?
    /// The frame that is being decoded, when it came whole.
    private var current: ByteBuffer?
    /// After the first fragment of a message nothing is taken out any more: what is between fragments would be hidden
    /// from the decoder's rules.
    private var isOff = false

    init(_ seen: SeenFrames) {
        self.seen = seen
    }

    /// The decoder found this message in what it was given last.
    func decoded(_ message: DeliveredMessage) {
        guard let current = self.current else {
            self.last = self.seen.decoded(message, bytes: nil, after: self.last)
            return
        }
        self.last = current.withUnsafeReadableBytes { bytes in
            self.seen.decoded(message, bytes: bytes, after: self.last)
        }
    }

    /// There is more in that than one message, so its bytes do not stand for the next one that is found.
    func foundOthers() {
        self.current = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        if var held = self.held {
            self.held = nil
            held.writeBuffer(&buffer)
            buffer = held
        }
        while buffer.readableBytes > 0, !self.isOff {
            if self.owed > 0 {
                guard let part = buffer.readSlice(length: min(self.owed, buffer.readableBytes)) else { break }
                self.owed -= part.readableBytes
                context.fireChannelRead(self.wrapInboundOut(part))
                continue
            }
            self.takeSeen(&buffer)
            guard buffer.readableBytes > 0 else { break }
            self.pass(&buffer, context)
        }
        if buffer.readableBytes > 0, self.held == nil { context.fireChannelRead(self.wrapInboundOut(buffer)) }
    }

    private func takeSeen(_ buffer: inout ByteBuffer) {
        guard var last = self.last, last.next != nil else { return }
        var first: SeenFrames.Frame?
        var count = 0
        let taken = buffer.withUnsafeReadableBytes { bytes in
            var position = 0
            while let next = last.next, next.begins(UnsafeRawBufferPointer(rebasing: bytes[position...])) {
                if first == nil { first = next }
                count += 1
                position += next.count
                last = next
            }
            return position
        }
        guard let first else { return }
        self.last = last
        buffer.moveReaderIndex(forwardBy: taken)
        self.receive(first, count)
    }

    /// Gives the decoder the next frame, or what there is of it.
    private func pass(_ buffer: inout ByteBuffer, _ context: ChannelHandlerContext) {
        guard let (count, isWhole) = Self.frame(buffer) else {
            self.held = buffer
            buffer.moveReaderIndex(to: buffer.writerIndex)
            return
        }
        guard isWhole else {
            self.isOff = true
            return
        }
        guard let frame = buffer.readSlice(length: min(count, buffer.readableBytes)) else { return }
        self.owed = count - frame.readableBytes
        self.current = self.owed == 0 ? frame : nil
        context.fireChannelRead(self.wrapInboundOut(frame))
        self.current = nil
    }

    /// Bytes of the frame that begins here, and whether it is a whole message; nil when there is too little to tell.
    private static func frame(_ buffer: ByteBuffer) -> (count: Int, isWhole: Bool)? {
        let start = buffer.readerIndex
        guard let first = buffer.getInteger(at: start, as: UInt8.self),
            let second = buffer.getInteger(at: start + 1, as: UInt8.self)
        else { return nil }
        // A mask, which an edge must not send, and lengths beyond all bounds are for the decoder to object to.
        let isWhole = first & 0x80 != 0 && first & 0x0F != 0 && second & 0x80 == 0
        switch second & 0x7F {
        case 126:
            return buffer.getInteger(at: start + 2, as: UInt16.self).map { (4 + Int($0), isWhole) }
        case 127:
            return buffer.getInteger(at: start + 2, as: UInt64.self).map { length in
                length < UInt64(UInt32.max) ? (Self.headerBytesMax + Int(length), isWhole) : (0, false)
            }
        case let length:
            return (2 + Int(length), isWhole)
        }
    }
}

@available(*, unavailable)
extension SeenFramesHandler: Sendable {}
