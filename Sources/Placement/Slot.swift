// SPDX-License-Identifier: Apache-2.0

/// One of the fixed number of places that every conversation, user and name hashes to.
///
/// Slots, not rows, are what moves between routers and shards; so their number is fixed for the life of a cluster.
package struct Slot: Hashable, Comparable, Sendable {
    package static let count = 4096

    package let number: UInt16

    /// Returns nil for a number that is not below ``count``.
    package init?(_ number: some BinaryInteger) {
        guard number >= 0, number < Self.count else { return nil }
        self.number = UInt16(number)
    }

    private init(hash: UInt64) {
        self.number = UInt16(truncatingIfNeeded: hash % UInt64(Self.count))
    }

    /// The slot of a 128-bit id: XXH64 over its 16 bytes in network order.
    package init(of identifier: UInt128) {
        var bigEndian = identifier.bigEndian
        self.init(hash: withUnsafeBytes(of: &bigEndian) { XXHash64.hash($0) })
    }

    /// The slot of a name that is unique in the whole cluster: XXH64 over its UTF-8 bytes.
    package init(ofName name: String) {
        self.init(hash: XXHash64.hash(Array(name.utf8)))
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.number < right.number
    }
}
