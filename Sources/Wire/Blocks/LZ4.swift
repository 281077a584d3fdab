// SPDX-License-Identifier: Apache-2.0

internal import CLZ4
import NIOCore

/// The LZ4 block format, by liblz4.
enum LZ4 {
    /// Appends the compressed bytes to `target`, if there are fewer of them than of the source.
    ///
    /// - Returns: how many bytes were appended, or nil when it would not have been fewer; `target` is then as before.
    static func compress(_ source: UnsafeRawBufferPointer, into target: inout ByteBuffer) -> Int? {
        guard source.count > 1, let from = source.baseAddress, source.count <= Int(LZ4_MAX_INPUT_SIZE) else {
            return nil
        }
        let capacity = source.count - 1
        let written = target.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity) { to in
            guard let base = to.baseAddress else { return 0 }
            // 0 is the only failure: the result does not fit.
            return Int(
                LZ4_compress_default(
                    from.assumingMemoryBound(to: CChar.self),
                    base.assumingMemoryBound(to: CChar.self),
                    Int32(source.count),
                    Int32(capacity)
                )
            )
        }
        return written > 0 ? written : nil
    }

    /// Decompresses to exactly `rawLength` bytes, whatever the source says; nil when it cannot be done.
    ///
    /// - Parameter rawLength: checked against its bound by the caller; the memory is taken here.
    static func decompress(_ source: ByteBuffer, rawLength: Int, allocator: ByteBufferAllocator) -> ByteBuffer? {
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
