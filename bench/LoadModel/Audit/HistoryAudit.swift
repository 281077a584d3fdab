// SPDX-License-Identifier: Apache-2.0

/// Compares, for one conversation, the history that the cluster shows at the end with what all event loops know: what was
/// acknowledged, and what each device was handed over. Takes the history message by message, so that none of it is kept. Pure.
package struct HistoryAudit: Sendable {
    package struct StoredMessage: Sendable, Equatable {
        package var seq: UInt64
        /// ``ConversationLedger/foreign`` for a client message id of no message of the run.
        package var message: UInt32
        package var hasOwnBody: Bool

        package init(seq: UInt64, message: UInt32, hasOwnBody: Bool = true) {
            self.seq = seq
            self.message = message
            self.hasOwnBody = hasOwnBody
        }
    }

    /// A device that is to have everything, and how far it has come.
    package struct Device: Sendable {
        package var device: Int
        package var progress: DeviceProgress
        /// Not connected at the end, so that nobody can say what it would have got.
        package var isAbsent: Bool

        package init(device: Int, progress: DeviceProgress, isAbsent: Bool = false) {
            self.device = device
            self.progress = progress
            self.isAbsent = isAbsent
        }
    }

    private let conversation: Int
    private let plan: LiveAudit.Plan
    /// Whether the plan has a message in this conversation.
    private let belongs: @Sendable (UInt32) -> Bool
    private let ledgers: [ConversationLedger]
    /// The ledger of the loop that a device belongs to.
    private let ledgerOf: @Sendable (Int) -> Int
    private let deviceCount: Int
    /// Devices that have not everything that was acknowledged.
    private let behind: [Device]
    private var result = AuditResult()
    private var expected: UInt64 = 1
    private var digest = ChunkDigest()
    /// One bit for each message of the run up to the largest that is stored here.
    private var stored: [UInt64] = []
    private var storedCount = 0

    /// - Parameters:
    ///   - ledgers: Of every loop.
    ///   - ledgerOf: By device: a place in `ledgers`.
    package init(
        conversation: Int,
        plan: LiveAudit.Plan,
        ledgers: [ConversationLedger],
        ledgerOf: @escaping @Sendable (Int) -> Int = { _ in 0 },
        devices: [Device],
        belongs: @escaping @Sendable (UInt32) -> Bool
    ) {
        self.conversation = conversation
        self.plan = plan
        self.belongs = belongs
        self.ledgers = ledgers
        self.ledgerOf = ledgerOf
        self.deviceCount = devices.count
        let head = ledgers.map(\.head).max() ?? 0
        self.behind = devices.filter { $0.progress.position < head || !$0.progress.missing.isEmpty }
        self.result.conversations = 1
    }

    private mutating func note(_ kind: Violation.Kind, _ seq: UInt64?, user: Int? = nil, _ detail: String) {
        self.result.note(Violation(kind, conversation: self.conversation, seq: seq, user: user, detail))
    }

    /// The next message of the history.
    package mutating func take(_ entry: StoredMessage) {
        if entry.seq != self.expected {
            self.note(.sparseHistory, entry.seq, "the history has \(entry.seq) where \(self.expected) belongs")
            if entry.seq > self.expected { self.checkMissing(self.expected..<entry.seq) }
        }
        self.expected = entry.seq &+ 1
        self.result.historyMessages += 1
        if entry.message == ConversationLedger.foreign || !self.belongs(entry.message) {
            self.note(.foreign, entry.seq, "a message that was not sent here")
        } else {
            if !entry.hasOwnBody { self.note(.altered, entry.seq, "the history has another body than was sent") }
            self.mark(entry)
        }
        self.compare(entry.seq, entry.message)
        for device in self.behind where device.progress.lacks(entry.seq) { self.checkDelivery(entry, to: device) }
    }

    private mutating func mark(_ entry: StoredMessage) {
        let (word, bit) = (Int(entry.message / 64), UInt64(1) << UInt64(entry.message % 64))
        if word >= self.stored.count {
            self.stored.append(contentsOf: repeatElement(0, count: word + 1 - self.stored.count))
        }
        if self.stored[word] & bit != 0 {
            self.note(.twoNumbers, entry.seq, "message \(entry.message) is stored under a smaller number too")
        } else {
            self.storedCount += 1
        }
        self.stored[word] |= bit
    }

    /// What each loop knows of this number against what is stored; nil for nothing.
    private mutating func compare(_ seq: UInt64, _ message: UInt32?) {
        let found = message.map { "message \($0)" } ?? "nothing"
        for ledger in self.ledgers {
            if let entry = ledger.entry(seq), entry.message != message {
                let deed = entry.isAcknowledged ? "acknowledged" : "handed over"
                self.note(
                    entry.isAcknowledged ? .lost : .different,
                    seq,
                    "message \(entry.message) was \(deed), the history has \(found)"
                )
            }
            if let late = ledger.lateAcknowledgement(of: seq), late != message {
                self.note(.lost, seq, "message \(late) was acknowledged, the history has \(found)")
            }
        }
        self.digest.add(message ?? ConversationLedger.missing)
        guard seq % UInt64(ConversationLedger.chunk) == 0 else { return }
        let chunk = Int(seq / UInt64(ConversationLedger.chunk)) - 1
        for ledger in self.ledgers where chunk < ledger.chunks {
            guard let known = ledger.digest(ofChunk: chunk), known != self.digest.value else { continue }
            let first = seq - UInt64(ConversationLedger.chunk) + 1
            self.note(.different, first, "\(first)…\(seq) of the history are not what was handed over")
        }
        self.digest = ChunkDigest()
    }

    /// Numbers that the history does not have.
    private mutating func checkMissing(_ seqs: Range<UInt64>) {
        let last = self.ledgers.map(\.last).max() ?? 0
        for seq in seqs.clamped(to: 0..<(last + 1)) { self.compare(seq, nil) }
    }

    private mutating func checkDelivery(_ entry: StoredMessage, to device: Device) {
        guard entry.message != ConversationLedger.foreign, self.belongs(entry.message) else { return }
        let sender = self.plan.sender(entry.message)
        guard sender != device.device, self.ledgers[self.ledgerOf(sender)].isAcknowledged(entry.seq) else { return }
        self.missed(entry.message, entry.seq, by: device)
    }

    private mutating func missed(_ message: UInt32, _ seq: UInt64, by device: Device) {
        guard !device.isAbsent else {
            self.result.deliveriesToAbsent += 1
            return
        }
        let user = device.device / self.plan.devicesPerUser
        let name = self.plan.devicesPerUser > 1 ? " at its device \(device.device % self.plan.devicesPerUser)" : ""
        self.note(.undelivered, seq, user: user, "message \(message) was acknowledged and never arrived\(name)")
    }

    /// The history is read to its end.
    ///
    /// - Parameter isReadable: Otherwise it was not, and nothing can be said about its end.
    package mutating func finish(isReadable: Bool = true) -> AuditResult {
        guard isReadable else {
            self.note(.unreadable, nil, "its history could not be read")
            return self.result
        }
        self.checkBeyond()
        self.result.acknowledged = self.ledgers.reduce(0) { $0 + $1.acknowledged }
        self.result.notCompared = self.ledgers.reduce(0) { $0 + $1.notCompared }
        self.result.expectedDeliveries = self.result.acknowledged * max(0, self.deviceCount - 1)
        self.result.storedWithoutAcknowledgement = max(0, self.storedCount - self.result.acknowledged)
        return self.result
    }

    /// What is known of numbers behind the end of the history.
    private mutating func checkBeyond() {
        let next = self.expected
        var lost: [UInt64: UInt32] = [:]
        for ledger in self.ledgers {
            if ledger.base >= next {
                self.note(.lost, next, "\(next)…\(ledger.base) were handed over, the history ends before")
            }
            for (seq, message) in ledger.lateAcknowledgements where seq >= next { lost[seq] = message }
            guard ledger.last >= next else { continue }
            for seq in max(next, ledger.base + 1)..<(ledger.last + 1) {
                guard let entry = ledger.entry(seq) else { continue }
                if entry.isAcknowledged {
                    lost[seq] = entry.message
                } else if entry.message == ConversationLedger.foreign {
                    self.note(.foreign, seq, "a message that was not sent here was handed over")
                } else {
                    self.note(.different, seq, "message \(entry.message) was handed over, the history has nothing")
                }
            }
        }
        for (seq, message) in lost.sorted(by: { $0.key < $1.key }) {
            self.note(.lost, seq, "message \(message) was acknowledged, the history has nothing")
            for device in self.behind where device.progress.lacks(seq) && self.plan.sender(message) != device.device {
                self.missed(message, seq, by: device)
            }
        }
    }
}
