// SPDX-License-Identifier: Apache-2.0

/// A 128-bit identifier of one kind of thing.
///
/// The phantom `Kind` keeps a user's id from being passed where a conversation's is expected. The text form is that
/// of RFC 9562 (lower case, with hyphens); the binary form is the same 16 bytes in network order.
///
/// Held as two halves and not as one `UInt128`: code that Swift 6.3.1 makes for an asynchronous closure which captures
/// a value with an alignment of 16 bytes jumps to address 0.
package struct Identifier<Kind>: Hashable, Comparable, Sendable {
    private let high: UInt64
    private let low: UInt64

    package var value: UInt128 {
        UInt128(self.high) << 64 | UInt128(self.low)
    }

    package init(value: UInt128) {
        self.high = UInt64(truncatingIfNeeded: value >> 64)
        self.low = UInt64(truncatingIfNeeded: value)
    }

    /// Reads the canonical text form; upper-case digits are accepted. Returns nil for anything else.
    package init?(_ text: some StringProtocol) {
        let value = text.utf8.withContiguousStorageIfAvailable { UUIDText.read(UnsafeRawBufferPointer($0)) }
        guard let value = value ?? Array(text.utf8).withUnsafeBytes({ UUIDText.read($0) }) else { return nil }
        self.init(value: value)
    }

    /// Reads 16 bytes in network order. Returns nil when there are not exactly 16.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(value: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }

    /// The 16 bytes in network order.
    package var bytes: [UInt8] {
        let value = self.value
        return (0..<16).map { UInt8(truncatingIfNeeded: value >> UInt128(120 - 8 * $0)) }
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension Identifier: CustomStringConvertible {
    package var description: String {
        String(unsafeUninitializedCapacity: UUIDText.count) { text in
            UUIDText.write(self.value, to: text)
            return UUIDText.count
        }
    }
}

extension Identifier: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let parsed = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
        }
        self = parsed
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}

package enum UserKind {}
package enum DeviceKind {}
package enum ConversationKindTag {}
package enum ClientMessageKind {}
package enum SessionKind {}
package enum IncarnationKind {}

/// A person's account.
package typealias UserID = Identifier<UserKind>
/// One client installation of a user.
package typealias DeviceID = Identifier<DeviceKind>
/// A direct, group or channel conversation.
package typealias ConversationID = Identifier<ConversationKindTag>
/// The id that a client gives a message so that sending it again stores nothing (contract C2). A UUIDv7.
package typealias ClientMessageID = Identifier<ClientMessageKind>
/// One connection of a device to an edge.
package typealias SessionID = Identifier<SessionKind>
/// One life of a node process.
package typealias Incarnation = Identifier<IncarnationKind>
