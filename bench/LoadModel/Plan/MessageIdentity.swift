// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The client message ids of one run: UUIDv7 (RFC 9562 §5.7) whose 62 free bits hold a mark of the run and the number
/// of the message. So the number, and with it the time a message was due, is read from what arrives, with no table.
package struct MessageIdentity: Sendable {
    /// Bits of the number.
    private static let numberBits: UInt64 = 32
    private static let runMask: UInt64 = (1 << 30) - 1

    /// Wall-clock time of the start of the run.
    package let startedAt: UnixMilliseconds
    private let run: UInt64

    package init(startedAt: UnixMilliseconds, run: UInt64) {
        self.startedAt = startedAt
        self.run = run & Self.runMask
    }

    /// - Parameter time: Nanoseconds after the start at which the message is due.
    package func id(of message: Int, at time: Int64) -> ClientMessageID {
        let milliseconds = (self.startedAt + UInt64(time / 1_000_000)) & 0xFFFF_FFFF_FFFF
        let counter = UInt64(time % 1_000_000) >> 8
        let high = milliseconds << 16 | 0x7 << 12 | counter
        let low = 0b10 << 62 | self.run << Self.numberBits | UInt64(message)
        return ClientMessageID(value: UInt128(high) << 64 | UInt128(low))
    }

    /// The number of the message, or nil when the id is not exactly one of this run and plan.
    package func message(of id: ClientMessageID, in plan: MessagePlan) -> Int? {
        let message = Int(truncatingIfNeeded: id.value & 0xFFFF_FFFF)
        guard message < plan.count, self.id(of: message, at: plan.time(of: message)) == id else { return nil }
        return message
    }
}
