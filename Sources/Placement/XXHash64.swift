// SPDX-License-Identifier: Apache-2.0

/// XXH64 with the seed 0: the one hash for placement and for checksums.
///
/// Published and the same in every process and language, which Swift's `Hasher` is not.
/// Source: the xxHash specification, revision 0.2.0.
package enum XXHash64 {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    package static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        var offset = 0
        var hash: UInt64
        if count >= 32 {
            var lane1 = Self.prime1 &+ Self.prime2
            var lane2 = Self.prime2
            var lane3: UInt64 = 0
            var lane4 = 0 &- Self.prime1
            while offset + 32 <= count {
                lane1 = Self.round(lane1, Self.word(bytes, offset))
                lane2 = Self.round(lane2, Self.word(bytes, offset + 8))
                lane3 = Self.round(lane3, Self.word(bytes, offset + 16))
                lane4 = Self.round(lane4, Self.word(bytes, offset + 24))
                offset += 32
            }
            hash = Self.rotate(lane1, 1) &+ Self.rotate(lane2, 7) &+ Self.rotate(lane3, 12) &+ Self.rotate(lane4, 18)
            hash = Self.merge(hash, lane1)
            hash = Self.merge(hash, lane2)
            hash = Self.merge(hash, lane3)
            hash = Self.merge(hash, lane4)
        } else {
            hash = Self.prime5
        }
        hash = hash &+ UInt64(count)
        while offset + 8 <= count {
            hash ^= Self.round(0, Self.word(bytes, offset))
            hash = Self.rotate(hash, 27) &* Self.prime1 &+ Self.prime4
            offset += 8
        }
        if offset + 4 <= count {
            let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            hash ^= UInt64(half) &* Self.prime1
            hash = Self.rotate(hash, 23) &* Self.prime2 &+ Self.prime3
            offset += 4
        }
        while offset < count {
            hash ^= UInt64(bytes[offset]) &* Self.prime5
            hash = Self.rotate(hash, 11) &* Self.prime1
            offset += 1
        }
        hash ^= hash >> 33
        hash = hash &* Self.prime2
        hash ^= hash >> 29
        hash = hash &* Self.prime3
        return hash ^ (hash >> 32)
    }

    package static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { Self.hash($0) }
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        value << bits | value >> (64 - bits)
    }

    private static func round(_ accumulator: UInt64, _ lane: UInt64) -> UInt64 {
        Self.rotate(accumulator &+ lane &* Self.prime2, 31) &* Self.prime1
    }

    private static func merge(_ hash: UInt64, _ lane: UInt64) -> UInt64 {
        (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
    }
}
