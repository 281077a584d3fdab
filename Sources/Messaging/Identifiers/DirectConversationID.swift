// SPDX-License-Identifier: Apache-2.0

internal import Crypto

extension ConversationID {
    /// The id of the direct conversation of two users: a UUIDv8 (RFC 9562 §5.8) over SHA-256 of both ids in order.
    ///
    /// Derived and not drawn, so two edges that create it at once make one conversation.
    package static func direct(_ one: UserID, _ other: UserID) -> ConversationID {
        var hash = SHA256()
        hash.update(data: Array("trunkline direct conversation".utf8))
        hash.update(data: min(one, other).bytes)
        hash.update(data: max(one, other).bytes)
        var value = hash.finalize().prefix(16).reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        value = value & ~(0xF << 76) | 0x8 << 76
        value = value & ~(0b11 << 62) | 0b10 << 62
        return ConversationID(value: value)
    }
}
