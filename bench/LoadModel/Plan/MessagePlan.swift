// SPDX-License-Identifier: Apache-2.0

/// Which message is sent when, by whom and where: a function of its number, so that nothing has to be kept per message
/// and every loop knows the whole plan.
///
/// An open loop: times are those of the schedule and do not depend on any answer. Latencies are measured
/// from these times, so a stall of the cluster, or of the generator, is counted for every message that it delayed
/// (no coordinated omission).
package struct MessagePlan: Sendable {
    package let topology: Topology
    package let seed: UInt64
    package private(set) var schedule: SendSchedule

    /// Without a message, and without time to send one: ``append(_:)`` adds it.
    package init(topology: Topology, seed: UInt64) {
        self.topology = topology
        self.seed = seed
        self.schedule = SendSchedule()
    }

    /// Returns nil when there would be no message, or more than ``SendSchedule/messagesMax``.
    package init?(
        topology: Topology,
        messagesPerSecond: Double,
        warmUpNanoseconds: Int64,
        durationNanoseconds: Int64,
        seed: UInt64
    ) {
        self.init(topology: topology, seed: seed)
        let stretch = SendSchedule.Stretch(
            start: 0,
            messagesPerSecond: messagesPerSecond,
            warmUp: warmUpNanoseconds,
            measured: durationNanoseconds
        )
        guard self.append(stretch), self.count > 0 else { return nil }
    }

    /// Returns false, and changes nothing, when there would be too many, or nobody to send them to.
    package mutating func append(_ stretch: SendSchedule.Stretch) -> Bool {
        guard !self.topology.members.isEmpty || stretch.messagesPerSecond == 0 else { return false }
        return self.schedule.append(stretch)
    }

    /// Messages of all stretches.
    package var count: Int { self.schedule.count }

    /// Nanoseconds after the start.
    package func time(of message: Int) -> Int64 { self.schedule.time(of: message) }

    /// How many messages have their time at or before this one: the number of the next that has not.
    package func dueCount(at nanoseconds: Int64) -> Int { self.schedule.dueCount(at: nanoseconds) }

    /// Whether it belongs to the measured time. The others are audited all the same.
    package func isMeasured(_ message: Int) -> Bool { self.schedule.isMeasured(message) }

    package func conversation(of message: Int) -> Int {
        let hash = SplitMix.hash(self.seed, 2 * UInt64(message))
        let (direct, all) = (self.topology.directCount, self.topology.members.count)
        guard direct > 0, direct < all else { return SplitMix.place(of: hash, below: all) }
        // Another hash than the one that says which pair or group.
        let isDirect =
            SplitMix.hash(self.seed &+ 1, UInt64(message), below: 100) < self.topology.directPercent
        return isDirect
            ? SplitMix.place(of: hash, below: direct) : direct + SplitMix.place(of: hash, below: all - direct)
    }

    /// The user who sends it.
    package func sender(of message: Int) -> Int {
        let members = self.topology.members[self.conversation(of: message)]
        let senders = min(members.count, self.topology.sendersMax)
        return members[SplitMix.hash(self.seed, 2 * UInt64(message) + 1, below: senders)]
    }

    /// The device that sends it: any of the sender's.
    package func device(of message: Int) -> Int {
        let devices = self.topology.devices(ofUser: self.sender(of: message))
        guard devices.count > 1 else { return devices.lowerBound }
        return devices.lowerBound + SplitMix.hash(self.seed &+ 2, UInt64(message), below: devices.count)
    }
}
