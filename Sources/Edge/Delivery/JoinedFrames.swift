// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// The frames of one round of delivery, joined for sessions that get several of them.
///
/// One write of a joined buffer costs a third less than one of several buffers, and sessions of the same conversations
/// get the same frames: the joining is done once for all of them.
struct JoinedFrames {
    /// Bytes joined into one buffer; more become further buffers, so that a slow session can be noticed in between.
    static let joinedBytesMax = 64 * 1024

    private let frames: [ByteBuffer]
    private var joined: [[Int]: [ByteBuffer]] = [:]

    init(_ frames: [ByteBuffer]) {
        self.frames = frames
    }

    /// - Parameter places: of the frames wanted, ascending.
    mutating func buffers(at places: [Int]) -> [ByteBuffer] {
        if places.count == 1 { return [self.frames[places[0]]] }
        if let known = self.joined[places] { return known }
        var buffers: [ByteBuffer] = []
        var current = ByteBuffer()
        for place in places {
            let frame = self.frames[place]
            if current.readableBytes > 0, current.readableBytes + frame.readableBytes > Self.joinedBytesMax {
                buffers.append(current)
                current = ByteBuffer()
            }
            current.writeImmutableBuffer(frame)
        }
        buffers.append(current)
        self.joined[places] = buffers
        return buffers
    }
}
