// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The rings that were made last, by the names of their routers.
///
/// A ring is made of thousands of hashes, and one list of names comes again and again: with every shard, with every
/// reading of a view, and in all the news of a change.
final class RingCache: Sendable {
    static let shared = RingCache()

    /// Rings that are kept; over it all are let go. Views differ by a router or two for a while, not by more.
    private static let ringsMax = 32

    private let rings = Mutex<[[String]: Ring]>([:])

    /// - Parameter names: each once, in any order.
    func ring(of names: some Sequence<String>) -> Ring {
        let names = names.sorted()
        if let known = self.rings.withLock({ $0[names] }) { return known }
        let ring = Ring(routers: names)
        self.rings.withLock { rings in
            if rings.count >= Self.ringsMax { rings.removeAll() }
            rings[names] = ring
        }
        return ring
    }
}
