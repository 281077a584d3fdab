// SPDX-License-Identifier: Apache-2.0

/// Which message is sent when, by whom and where: a function of its number, so that nothing has to be kept per message
/// and every loop knows the whole plan.
///
/// An open loop: times lie at equal distances from the start and do not depend on any answer. Latencies are measured
/// from these times, so a stall of the cluster, or of the generator, is counted for every message that it delayed
/// (no coordinated omission).
package struct MessagePlan: Sendable {
    /// Numbers of messages fit into 32 bits, with two values to spare.
    package static let messagesMax = Int(UInt32.max) - 2

    package let topology: Topology
    package let messagesPerSecond: Double
    package let warmUpNanoseconds: Int64
    package let durationNanoseconds: Int64
    package let seed: UInt64
    /// Messages of warm-up and measured time together.
    package let count: Int

    /// Returns nil when there would be no message, or more than ``messagesMax``.
    package init?(
        topology: Topology,
        messagesPerSecond: Double,
        warmUpNanoseconds: Int64,
        durationNanoseconds: Int64,
        seed: UInt64
    ) {
        let total = Double(warmUpNanoseconds + durationNanoseconds) / 1e9 * messagesPerSecond
        guard messagesPerSecond > 0, total.isFinite, total >= 1, total <= Double(Self.messagesMax),
            !topology.members.isEmpty
        else { return nil }
        self.topology = topology
        self.messagesPerSecond = messagesPerSecond
        self.warmUpNanoseconds = warmUpNanoseconds
        self.durationNanoseconds = durationNanoseconds
        self.seed = seed
        self.count = Int(total.rounded(.down))
    }

    /// Nanoseconds after the start.
    package func time(of message: Int) -> Int64 {
        Int64((Double(message) * 1e9 / self.messagesPerSecond).rounded(.down))
    }

    /// How many messages have their time at or before this one: the number of the next that has not.
    package func dueCount(at nanoseconds: Int64) -> Int {
        guard nanoseconds >= 0 else { return 0 }
        var due = min(self.count, Int(Double(nanoseconds) / 1e9 * self.messagesPerSecond))
        while due < self.count, self.time(of: due) <= nanoseconds { due += 1 }
        while due > 0, self.time(of: due - 1) > nanoseconds { due -= 1 }
        return due
    }

    /// Whether it belongs to the measured time. The others are audited all the same.
    package func isMeasured(_ message: Int) -> Bool {
        self.time(of: message) >= self.warmUpNanoseconds
    }

    package func conversation(of message: Int) -> Int {
        SplitMix.hash(self.seed, 2 * UInt64(message), below: self.topology.members.count)
    }

    package func sender(of message: Int) -> Int {
        let members = self.topology.members[self.conversation(of: message)]
        let senders = min(members.count, self.topology.sendersMax)
        return members[SplitMix.hash(self.seed, 2 * UInt64(message) + 1, below: senders)]
    }
}
