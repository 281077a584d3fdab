// SPDX-License-Identifier: Apache-2.0

/// Bounds of blocks. All nodes agree on them.
package enum BlockLimits {
    /// What is waiting for a link is joined up to this many bytes of frames.
    package static let blockBytesMax = 64 * 1024
    /// Bytes of frames in any block: only a block of one large frame comes near it.
    package static let blockRawBytesMax = 1024 * 1024
    /// Frames in one block; their number is a 16-bit field.
    package static let framesMax = Int(UInt16.max)
    /// A block of fewer bytes is not worth compressing.
    package static let compressionThresholdBytesDefault = 256
}
