// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// How large groups are where they are of many sizes.
package enum GroupSizes {
    /// Fewer are a pair.
    package static let smallest = 3

    /// As many groups between 3 and 10 members as between 10 and 33: the logarithms of the sizes lie at equal distances,
    /// so that most groups are small and most members are in large ones. Ascending.
    ///
    /// - Parameter largest: At least ``smallest``; no group is larger.
    package static func spread(_ count: Int, upTo largest: Int) -> [Int] {
        let ratio = Double(largest + 1) / Double(Self.smallest)
        return (0..<count).map { place in
            let size = Double(Self.smallest) * pow(ratio, (Double(place) + 0.5) / Double(count))
            return min(largest, max(Self.smallest, Int(size.rounded(.down))))
        }
    }
}
