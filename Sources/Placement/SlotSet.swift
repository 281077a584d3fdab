// SPDX-License-Identifier: Apache-2.0

/// A set of slots: one bit for each of the ``Slot/count``, 512 bytes.
package struct SlotSet: Hashable, Sendable {
    /// Bytes of ``bytes``.
    package static let byteCount = Slot.count / 8

    private var words: [UInt64]

    package init() {
        self.words = Array(repeating: 0, count: Slot.count / 64)
    }

    /// The slots for which something holds.
    package init(where holds: (Slot) -> Bool) {
        self.init()
        for number in 0..<Slot.count {
            if let slot = Slot(number), holds(slot) { self.insert(slot) }
        }
    }

    package init(_ slots: some Sequence<Slot>) {
        self.init()
        for slot in slots { self.insert(slot) }
    }

    package static let all: SlotSet = {
        var all = SlotSet()
        for index in all.words.indices { all.words[index] = .max }
        return all
    }()

    /// Reads what ``bytes`` wrote. Returns nil for another number of bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init()
        for (index, byte) in bytes.enumerated() {
            self.words[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
        }
    }

    /// Slot 0 is the lowest bit of the first byte.
    package var bytes: [UInt8] {
        (0..<Self.byteCount).map { UInt8(truncatingIfNeeded: self.words[$0 / 8] >> UInt64($0 % 8 * 8)) }
    }

    package var isEmpty: Bool { self.words.allSatisfy { $0 == 0 } }
    package var count: Int { self.words.reduce(0) { $0 + $1.nonzeroBitCount } }

    package func contains(_ slot: Slot) -> Bool {
        self.words[Int(slot.number) / 64] >> UInt64(slot.number % 64) & 1 == 1
    }

    package mutating func insert(_ slot: Slot) {
        self.words[Int(slot.number) / 64] |= 1 << UInt64(slot.number % 64)
    }

    package mutating func formUnion(_ other: SlotSet) {
        for index in self.words.indices { self.words[index] |= other.words[index] }
    }

    package mutating func subtract(_ other: SlotSet) {
        for index in self.words.indices { self.words[index] &= ~other.words[index] }
    }

    package func subtracting(_ other: SlotSet) -> SlotSet {
        var result = self
        result.subtract(other)
        return result
    }

    package func union(_ other: SlotSet) -> SlotSet {
        var result = self
        result.formUnion(other)
        return result
    }

    /// In the order of their numbers.
    package var slots: [Slot] {
        (0..<Slot.count).compactMap { Slot($0) }.filter(self.contains)
    }
}
