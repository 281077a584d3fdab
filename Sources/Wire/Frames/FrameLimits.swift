// SPDX-License-Identifier: Apache-2.0

/// Bounds of frames. All nodes agree on them.
package enum FrameLimits {
    /// Bytes of a whole frame, with its length field.
    package static let frameBytesMax = BlockLimits.blockRawBytesMax
    /// Bytes of a frame's length and type.
    package static let headerBytes = 5
    /// Bytes of a request between the type and the payload.
    package static let requestFieldBytes = 24
    /// Bytes of the payload of one request, response or notification: what fits beside the longest fields.
    package static let payloadBytesMax = Self.frameBytesMax - Self.headerBytes - Self.requestFieldBytes
    /// Bytes of a name, a reason or any other text in a frame of the handshake.
    package static let textBytesMax = 255
}
