// SPDX-License-Identifier: Apache-2.0

/// SplitMix64 (Steele, Lea, Flood 2014): a generator with a seed, and a hash of a number.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        self.state = seed
    }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(self.state)
    }

    /// The same number for the same input, in every run.
    package static func hash(_ seed: UInt64, _ value: UInt64) -> UInt64 {
        Self.mix(Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) &+ value &* 0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `bound`, each as likely as the others to within bound / 2^64.
    package static func hash(_ seed: UInt64, _ value: UInt64, below bound: Int) -> Int {
        Self.place(of: Self.hash(seed, value), below: bound)
    }

    package static func place(of hash: UInt64, below bound: Int) -> Int {
        Int(hash.multipliedFullWidth(by: UInt64(bound)).high)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
