// SPDX-License-Identifier: Apache-2.0

/// The audit of one event loop while it runs: what a device is handed over again, out of order, with another body, or under
/// another number than other devices of the loop saw, is a violation at once. What only the history can tell follows at the
/// end, in ``HistoryAudit``.
///
/// Memory is that of ``ConversationLedger`` for each conversation, and of ``DeviceProgress`` for each device in it. Pure.
package struct LiveAudit: Sendable {
    /// A device in a conversation.
    package struct Place: Hashable, Sendable {
        package var device: Int
        package var conversation: Int

        package init(device: Int, conversation: Int) {
            self.device = device
            self.conversation = conversation
        }
    }

    /// What is asked about the plan.
    package struct Plan: Sendable {
        /// The device that sends a message.
        package var sender: @Sendable (UInt32) -> Int
        /// Whether a device belongs to this loop.
        package var isHere: @Sendable (Int) -> Bool
        package var devicesPerUser: Int

        package init(
            devicesPerUser: Int = 1,
            sender: @escaping @Sendable (UInt32) -> Int,
            isHere: @escaping @Sendable (Int) -> Bool = { _ in true }
        ) {
            self.devicesPerUser = devicesPerUser
            self.sender = sender
            self.isHere = isHere
        }
    }

    package let plan: Plan
    package private(set) var ledgers: [ConversationLedger]
    private var progress: [DeviceProgress] = []
    private var places: [Place] = []
    private var indexes: [Place: Int] = [:]
    /// What was seen so far.
    package private(set) var seen = AuditResult()

    /// - Parameter devices: The devices of the loop that are in each conversation from the beginning to the end.
    package init(_ plan: Plan, devices: [[Int]]) {
        self.plan = plan
        self.ledgers = devices.map { ConversationLedger(devices: $0.count) }
        for (conversation, members) in devices.enumerated() {
            for device in members {
                self.indexes[Place(device: device, conversation: conversation)] = self.places.count
                self.places.append(Place(device: device, conversation: conversation))
                self.progress.append(DeviceProgress())
            }
        }
    }

    /// What ``saw(_:seq:message:)`` is told a device and its conversation by; nil when it is not to be in it.
    package func index(of place: Place) -> Int? { self.indexes[place] }

    package func progress(of place: Place) -> DeviceProgress? { self.indexes[place].map { self.progress[$0] } }

    // MARK: - Events

    /// A device was handed over a message, its own ones included.
    ///
    /// - Parameter message: Its number in the plan, or ``ConversationLedger/foreign``.
    package mutating func saw(_ index: Int, seq: UInt64, message: UInt32) {
        let before = self.progress[index].position
        if message == ConversationLedger.foreign { self.note(.foreign, index, seq, "a message that was not sent here") }
        if let irregularity = self.progress[index].take(seq) {
            let place = self.places[index]
            self.seen.note(
                Violation(irregularity, conversation: place.conversation, user: self.user(place.device))
            )
            // The number says nothing, or was compared before.
            guard case .gap = irregularity else { return }
        }
        let conversation = self.places[index].conversation
        let after = self.progress[index].position
        let isChunkPassed = after / UInt64(ConversationLedger.chunk) != before / UInt64(ConversationLedger.chunk)
        // Nearly always another device of the loop had it before.
        if !isChunkPassed, self.ledgers[conversation].knows(seq, message) { return }
        let plan = self.plan
        let isOwn = { (message: UInt32) in
            message != ConversationLedger.foreign && plan.isHere(plan.sender(message))
        }
        let finding = self.ledgers[conversation].saw(seq, message, isOwn: isOwn)
        if case .different(let other, _) = finding {
            self.note(.different, index, seq, "saw message \(message), which others know as \(Self.name(other))")
        }
        if isChunkPassed {
            self.ledgers[conversation].passed(from: before, to: after, isOwn: isOwn)
        }
    }

    /// A message had another body than was sent.
    package mutating func sawAltered(_ index: Int, seq: UInt64) {
        self.note(.altered, index, seq, "another body than was sent")
    }

    /// A sender of this loop was told the number of its message.
    package mutating func acknowledged(_ conversation: Int, seq: UInt64, message: UInt32) {
        let plan = self.plan
        let finding = self.ledgers[conversation].acknowledge(seq, message) { message in
            message != ConversationLedger.foreign && plan.isHere(plan.sender(message))
        }
        guard case .different(let other, let isAcknowledged) = finding else { return }
        let kind: Violation.Kind = isAcknowledged ? .sharedNumber : .different
        let text = "acknowledged for message \(message), and known as \(Self.name(other))"
        self.seen.note(Violation(kind, conversation: conversation, seq: seq, text))
    }

    package mutating func note(_ violation: Violation) {
        self.seen.note(violation)
    }

    private mutating func note(_ kind: Violation.Kind, _ index: Int, _ seq: UInt64, _ detail: String) {
        let place = self.places[index]
        let user = self.user(place.device)
        self.seen.note(Violation(kind, conversation: place.conversation, seq: seq, user: user, detail))
    }

    private func user(_ device: Int) -> Int { device / self.plan.devicesPerUser }

    private static func name(_ message: UInt32) -> String {
        message == ConversationLedger.foreign ? "one of another run" : "message \(message)"
    }
}
