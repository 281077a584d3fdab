// SPDX-License-Identifier: Apache-2.0

import Messaging
import Synchronization

/// Ids as clients make them, counted and not drawn, so that making them costs next to nothing here: with real clients it
/// is no work of the router either. Usable from any thread.
final class MessageIDs: Sendable {
    /// Of 30 bits, so that it stays clear of the variant's bits and the counter's.
    private let salt = UInt128(UInt32.random(in: 0...UInt32.max >> 2)) << 32
    private let count = Atomic<UInt32>(0)

    func next(now: UnixMilliseconds) -> ClientMessageID {
        let number = self.count.wrappingAdd(1, ordering: .relaxed).newValue
        return ClientMessageID(value: ClientMessageID.lowerBound(at: now).value | self.salt | UInt128(number))
    }
}
