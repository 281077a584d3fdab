// SPDX-License-Identifier: Apache-2.0

/// Which message has which number in one conversation, as the devices of one event loop saw it and its senders were told.
///
/// Kept is what not every device of the loop has yet, in chunks; of a chunk that all have, a digest is left, to be
/// compared with that of the history. So a conversation takes 5 bytes for each message of at most ``openChunksMax`` chunks,
/// and 9 for each chunk before, whatever the number of devices. Messages are named by their numbers in the plan. Pure.
package struct ConversationLedger: Sendable {
    /// Stands for a client message id that is not one of this run.
    package static let foreign = UInt32.max
    /// Stands for a number of which nothing is known.
    package static let missing = UInt32.max - 1
    /// Messages that are forgotten together.
    package static let chunk = 1024
    /// When a device is further behind, chunks are forgotten that it has not got; what it is then handed over is counted as
    /// not compared (its order and its body are looked at all the same).
    package static let openChunksMax = 64
    /// Acknowledgements of forgotten messages, and forgotten messages without one, that are kept to be compared.
    package static let lateMax = 4096

    package enum Finding: Sendable, Equatable {
        case same
        /// The number belongs to another message.
        case different(from: UInt32, isAcknowledged: Bool)
        /// Nobody knows any more; it is counted.
        case forgotten
    }

    /// Devices of the loop that are to have everything.
    package let devices: Int
    /// Numbers up to this one are forgotten: whole chunks.
    package private(set) var base: UInt64 = 0
    private var entries: [UInt32] = []
    private var acknowledgedEntries: [Bool] = []
    /// Devices that have the whole of each open chunk.
    private var passed: [Int] = []
    /// Of forgotten chunks; nil for one with numbers of which nothing was known.
    private var digests: [UInt64?] = []
    /// The largest number that was acknowledged.
    package private(set) var head: UInt64 = 0
    /// Messages that were acknowledged, each once.
    package private(set) var acknowledged = 0
    /// Own messages of the loop that were forgotten without an acknowledgement, which may never come.
    private var unacknowledged: Set<UInt64> = []
    /// Acknowledgements that came for forgotten numbers.
    private var late: [UInt64: UInt32] = [:]
    /// What could not be compared, because of the bounds.
    package private(set) var notCompared = 0

    package init(devices: Int) {
        self.devices = devices
    }

    // MARK: - While it runs

    /// Whether a number that is not forgotten is known to be that of the message.
    func knows(_ seq: UInt64, _ message: UInt32) -> Bool {
        seq > self.base && seq <= self.last && self.entries[Int(seq - self.base) - 1] == message
    }

    /// A device was handed over a message.
    package mutating func saw(_ seq: UInt64, _ message: UInt32, isOwn: (UInt32) -> Bool) -> Finding {
        guard seq > self.base else {
            self.notCompared += 1
            return .forgotten
        }
        return self.note(seq, message, isOwn)
    }

    /// A sender of this loop was told the number of its message.
    package mutating func acknowledge(_ seq: UInt64, _ message: UInt32, isOwn: (UInt32) -> Bool) -> Finding {
        guard seq > self.base else {
            guard self.late[seq] == nil else { return self.late[seq] == message ? .same : .forgotten }
            if self.late.count < Self.lateMax { self.late[seq] = message } else { self.notCompared += 1 }
            if self.unacknowledged.remove(seq) != nil { self.acknowledged += 1 }
            return .same
        }
        let finding = self.note(seq, message, isOwn)
        guard finding == .same else { return finding }
        self.head = max(self.head, seq)
        guard seq > self.base else { return finding }
        let place = Int(seq - self.base) - 1
        if !self.acknowledgedEntries[place] { self.acknowledged += 1 }
        self.acknowledgedEntries[place] = true
        return finding
    }

    private mutating func note(_ seq: UInt64, _ message: UInt32, _ isOwn: (UInt32) -> Bool) -> Finding {
        guard seq <= self.base + DeviceProgress.jumpMax else { return .forgotten }
        while seq > self.base + UInt64(Self.openChunksMax * Self.chunk) { self.forget(isOwn) }
        let place = Int(seq - self.base) - 1
        if place >= self.entries.count {
            let added = place + 1 - self.entries.count
            self.entries.append(contentsOf: repeatElement(Self.missing, count: added))
            self.acknowledgedEntries.append(contentsOf: repeatElement(false, count: added))
        }
        let known = self.entries[place]
        guard known != message else { return .same }
        guard known == Self.missing else {
            return .different(from: known, isAcknowledged: self.acknowledgedEntries[place])
        }
        self.entries[place] = message
        return .same
    }

    /// A device has everything up to a number, and had everything up to another before.
    package mutating func passed(from old: UInt64, to new: UInt64, isOwn: (UInt32) -> Bool) {
        let chunk = UInt64(Self.chunk)
        guard new / chunk > old / chunk else { return }
        for number in (old / chunk)..<(new / chunk) where number >= self.base / chunk {
            let place = Int(number - self.base / chunk)
            guard place < Self.openChunksMax else { break }
            if place >= self.passed.count {
                self.passed.append(contentsOf: repeatElement(0, count: place + 1 - self.passed.count))
            }
            self.passed[place] += 1
        }
        while let first = self.passed.first, first >= self.devices, self.entries.count >= Self.chunk {
            self.forget(isOwn)
        }
    }

    /// Leaves a digest of the first chunk.
    private mutating func forget(_ isOwn: (UInt32) -> Bool) {
        var digest = ChunkDigest()
        var known = 0
        for place in 0..<min(Self.chunk, self.entries.count) {
            let message = self.entries[place]
            digest.add(message)
            guard message != Self.missing else { continue }
            known += 1
            guard !self.acknowledgedEntries[place], isOwn(message) else { continue }
            if self.unacknowledged.count < Self.lateMax {
                self.unacknowledged.insert(self.base + UInt64(place) + 1)
            }
        }
        let isWhole = known == Self.chunk
        if !isWhole { self.notCompared += known }
        self.digests.append(isWhole ? digest.value : nil)
        self.entries.removeFirst(min(Self.chunk, self.entries.count))
        self.acknowledgedEntries.removeFirst(min(Self.chunk, self.acknowledgedEntries.count))
        if !self.passed.isEmpty { self.passed.removeFirst() }
        self.base += UInt64(Self.chunk)
    }

    // MARK: - At the end

    /// Numbers that it says something about, as far as they are not forgotten.
    package var last: UInt64 { self.base + UInt64(self.entries.count) }
    package var chunks: Int { self.digests.count }

    /// What the loop knows of a number that is not forgotten; nil when that is nothing.
    package func entry(_ seq: UInt64) -> (message: UInt32, isAcknowledged: Bool)? {
        guard seq > self.base, seq <= self.last else { return nil }
        let place = Int(seq - self.base) - 1
        return self.entries[place] == Self.missing ? nil : (self.entries[place], self.acknowledgedEntries[place])
    }

    /// Of a chunk that is forgotten, counted from 0; nil when it cannot be compared.
    package func digest(ofChunk chunk: Int) -> UInt64? { self.digests[chunk] }

    /// An acknowledgement that came when the number was forgotten.
    package func lateAcknowledgement(of seq: UInt64) -> UInt32? { self.late.isEmpty ? nil : self.late[seq] }

    package var lateAcknowledgements: [UInt64: UInt32] { self.late }

    /// Whether a message that was sent by a device of this loop was acknowledged.
    package func isAcknowledged(_ seq: UInt64) -> Bool {
        guard seq <= self.base else { return self.entry(seq)?.isAcknowledged ?? false }
        return !self.unacknowledged.contains(seq)
    }
}

/// Of the messages of a chunk in their order.
struct ChunkDigest {
    private(set) var value: UInt64 = 0

    mutating func add(_ message: UInt32) {
        self.value = SplitMix.hash(self.value, UInt64(message))
    }
}
