// SPDX-License-Identifier: Apache-2.0

internal import CLZ4
import NIOCore

/// The LZ4 block format, by liblz4.
package enum LZ4 {
    /// Appends the compressed bytes to `target`, if there are no more of them than `capacity`.
    ///
    /// - Parameters:
    ///   - capacity: the library gives up as soon as it is reached.
    ///   - level: see ``BlockCompression/level``.
    /// - Returns: how many bytes were appended, or nil when it would have been more; `target` is then as before.
    package static func compress(
        _ source: UnsafeRawBufferPointer,
        into target: inout ByteBuffer,
        atMost capacity: Int,
        level: Int
    ) -> Int? {
        guard capacity > 0, let from = source.baseAddress, source.count <= Int(LZ4_MAX_INPUT_SIZE) else {
            return nil
        }
        let written = target.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { to in
            guard let base = to.baseAddress else { return 0 }
            let input = from.assumingMemoryBound(to: CChar.self)
            let output = base.assumingMemoryBound(to: CChar.self)
            // 0 is the only failure: the result does not fit, or there was no memory for the tables of the slow levels.
            return if level >= Int(LZ4HC_CLEVEL_MIN) {
                Int(LZ4_compress_HC(input, output, Int32(source.count), Int32(capacity), Int32(level)))
            } else {
                Int(LZ4_compress_fast(input, output, Int32(source.count), Int32(capacity), Int32(max(1, 1 - level))))
            }
        }
        return written > 0 ? written : nil
    }

    /// Decompresses to exactly `rawLength` bytes, whatever the source says; nil when it cannot be done.
    ///
    /// - Parameter rawLength: checked against its bound by the caller; the memory is taken here.
    package static func decompress(_ source: ByteBuffer, rawLength: Int, allocator: ByteBufferAllocator) -> ByteBuffer?
    {
        var target = allocator.buffer(capacity: rawLength)
        let written = source.withUnsafeReadableBytes { from in
            target.writeWithUnsafeMutableBytes(minimumWritableBytes: rawLength) { to in
                guard let input = from.baseAddress, let output = to.baseAddress else { return 0 }
                // Never reads or writes beyond the two lengths; negative for anything malformed or longer.
                let result = LZ4_decompress_safe(
                    input.assumingMemoryBound(to: CChar.self),
                    output.assumingMemoryBound(to: CChar.self),
                    Int32(from.count),
                    Int32(rawLength)
                )
                return max(0, Int(result))
            }
        }
        return written == rawLength ? target : nil
    }
}
