// SPDX-License-Identifier: Apache-2.0

/// Which blocks a sender compresses, and how hard. Nothing of it concerns the receiver: every node reads every block.
package struct BlockCompression: Sendable, Equatable {
    /// Blocks of fewer bytes are sent as they are; nil is never to compress.
    package var thresholdBytes: Int?
    /// How much work is put into a block, numbered as LZ4's frame format and program number it, within ``levels``.
    ///
    /// - Below 0: the fast algorithm with an acceleration of 1 - level, quicker with each step and saving less.
    /// - 0 to 2: the fast algorithm as it is.
    /// - From 3: the high-compression algorithm, which saves a little more and takes several times as long to send.
    ///
    /// To receive a block takes the same whatever it was sent with.
    package var level: Int

    /// LZ4's levels 10 to 12 are left out: they would hold an event loop for tens of milliseconds for one large block.
    package static let levels = -64...9
    package static let levelDefault = 1

    package static let standard = BlockCompression(thresholdBytes: BlockLimits.compressionThresholdBytesDefault)
    package static let off = BlockCompression(thresholdBytes: nil)

    package init(thresholdBytes: Int?, level: Int = Self.levelDefault) {
        self.thresholdBytes = thresholdBytes
        self.level = level
    }

    /// The most bytes that a compressed block may have: it has to save one in sixteen, and at least one. Less is not
    /// worth the receiver's taking memory and copying.
    package static func storedBytesMax(rawBytes: Int) -> Int {
        rawBytes - max(1, rawBytes / 16)
    }
}

/// What became of a block when it was finished.
package enum CompressionOutcome: Sendable, CaseIterable {
    case compressed
    /// Plain, because compression is off.
    case off
    /// Plain, because it has fewer bytes than the threshold.
    case belowThreshold
    /// Plain, because LZ4 did not save what ``BlockCompression/storedBytesMax(rawBytes:)`` asks for.
    case notSmaller
}
