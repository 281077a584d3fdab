// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore

extension ServerMessage {
    /// Reads the text message of an edge: the two frequent kinds by their fixed layout, everything else, and those too
    /// when they are laid out differently, with the general decoder. Returns nil for a type that is not known.
    ///
    /// - Throws: `malformed`, `missing_field` or `invalid_field`: the edge is at fault.
    package static func read(_ text: ByteBuffer) throws(Failure) -> ServerMessage? {
        if let fast = Self.readFixedLayout(text) { return fast }
        return try Self.decode(json: text.readableBytesView)
    }

    /// Nil when the text is not laid out as edges lay out `new_message` and `message_sent`.
    static func readFixedLayout(_ text: ByteBuffer) -> ServerMessage? {
        text.withUnsafeReadableBytes { bytes in
            guard bytes.count > 2 else { return nil }
            var reader = FixedLayoutReader(bytes)
            switch bytes[2] {
            case UInt8(ascii: "t"):
                return reader.newMessage().map { .newMessage($0) }
            case UInt8(ascii: "i"):
                return reader.messageSent().map { .messageSent(.number($0.id), $0.fields) }
            default:
                return nil
            }
        }
    }
}
