// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Placement
import Wire

@testable import Mesh

/// What a broken or hostile peer might send.
enum HostileSamples {
    /// A block of anything, with checksums that are right unless said otherwise.
    static func block(
        flags: UInt8 = 0,
        rawLength: UInt32? = nil,
        storedLength: UInt32? = nil,
        stored: [UInt8],
        checksum: UInt32? = nil
    ) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(UInt32(0x544C_4231), UInt8(1), flags, UInt16(1))
        buffer.writeMultipleIntegers(
            storedLength ?? UInt32(stored.count),
            rawLength ?? UInt32(stored.count),
            checksum ?? UInt32(truncatingIfNeeded: XXHash64.hash(stored))
        )
        buffer.writeInteger(UInt32(truncatingIfNeeded: XXHash64.hash(Array(buffer.readableBytesView))))
        buffer.writeBytes(stored)
        return buffer
    }

    /// Bytes that grow to a megabyte.
    static let bomb: [UInt8] = {
        var encoder = BlockEncoder()
        encoder.append(
            .notification(NotificationFrame(kind: 1, payload: ByteBuffer(repeating: 0, count: 1_000_000)))
        )
        return Array(encoder.finish().buffer.readableBytesView.dropFirst(24))
    }()

    static let garbage: [(name: String, bytes: ByteBuffer, code: Refusal.Code)] = [
        ("an HTTP request", ByteBuffer(string: "GET / HTTP/1.1\r\nHost: example\r\n\r\n"), .malformed),
        ("zeros", ByteBuffer(repeating: 0, count: 5000), .malformed),
        ("a wrong checksum", block(stored: [0, 0, 0, 1, 128], checksum: 1), .malformed),
        ("a block over 4 KiB", block(stored: [UInt8](repeating: 0, count: 4097)), .malformed),
        (
            "the header of a huge block", block(rawLength: 0xFFFF_FFFF, storedLength: 0xFFFF_FFFF, stored: []),
            .malformed
        ),
        ("a bomb", block(flags: 1, rawLength: 4096, stored: Array(bomb.prefix(3000))), .malformed),
        ("a request before the handshake", block(stored: [0, 0, 0, 3, 18, 0, 1]), .malformed),
        ("a broken hello", block(stored: [0, 0, 0, 2, 1, 0]), .malformed),
        (
            "a block of version 9",
            ByteBuffer(bytes: [0x54, 0x4C, 0x42, 0x31, 9] + [UInt8](repeating: 0, count: 19)), .unsupportedVersion
        ),
    ]

    static let offences: [(name: String, lane: LaneKind, bytes: ByteBuffer)] = [
        ("a bomb whose header tells too little", .bulk, block(flags: 1, rawLength: 9000, stored: bomb)),
        ("a bomb whose header tells too much", .bulk, block(flags: 1, rawLength: 1 << 20, stored: bomb)),
        ("a block over 1 MiB", .bulk, block(flags: 1, rawLength: (1 << 20) + 1, storedLength: 10, stored: [])),
        ("a wrong checksum", .bulk, block(stored: [0, 0, 0, 1, 128], checksum: 1)),
        ("an unknown frame", .bulk, block(stored: [0, 0, 0, 1, 99])),
        ("a frame over the end", .bulk, block(stored: [0, 0, 9, 1, 18, 0])),
        ("a hello", .bulk, block(stored: [0, 0, 0, 1, 1])),
        ("a heartbeat on the bulk lane", .bulk, block(stored: [0, 0, 0, 9, 5, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("credit that is not owed", .bulk, block(stored: [0, 0, 0, 9, 7, 0, 0, 0, 1, 0, 0, 0, 1])),
        ("a notification on the control lane", .control, block(stored: [0, 0, 0, 3, 18, 0, 1])),
    ]
}
