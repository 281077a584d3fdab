// SPDX-License-Identifier: Apache-2.0

/// What is wrong with bytes that came from a peer. Ends the one connection that they came over.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The bytes are not a block at all.
        case badMagic
        /// A block of a version that this node does not know.
        case futureVersion
        case unknownFlags
        case headerChecksum
        case payloadChecksum
        /// Over a bound: told before memory is taken for it.
        case tooLarge
        /// The stored and raw length of a block contradict each other or its flags.
        case lengths
        /// The payload is not LZ4, or not of the announced length.
        case decompression
        /// A frame that reaches over the end of its block, or has no type.
        case frameLength
        /// The announced number of frames and the payload disagree.
        case frameCount
        /// A type that this node does not know and may not skip.
        case unknownFrameType
        /// The body of a frame is too short or holds impossible values.
        case malformedFrame
    }

    package var code: Code
    /// One sentence with the offending value and the bound.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(self.code.rawValue): \(self.message)" }
}
