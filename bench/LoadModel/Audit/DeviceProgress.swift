// SPDX-License-Identifier: Apache-2.0

/// How far one device has come in one conversation: two words while everything is in order, however long it runs.
package struct DeviceProgress: Sendable, Equatable {
    /// Numbers that were passed over and are remembered, should they come after all.
    package static let missingMax = 1024
    /// Numbers that a message may lie ahead.
    package static let jumpMax: UInt64 = 1_000_000

    package enum Irregularity: Sendable, Equatable {
        /// A number that was handed over before.
        case repeated(seq: UInt64)
        /// Numbers between the message and the one before it were passed over.
        case gap(first: UInt64, last: UInt64)
        /// A number that cannot be one.
        case absurd(seq: UInt64)
    }

    /// The largest number that was handed over.
    package private(set) var position: UInt64
    /// Those below it that were not. Rising.
    package private(set) var missing: [UInt64] = []

    /// - Parameter position: What lies up to here is not to come.
    package init(after position: UInt64 = 0) {
        self.position = position
    }

    /// A message is handed over. Returns what is not as it has to be.
    package mutating func take(_ seq: UInt64) -> Irregularity? {
        let expected = self.position + 1
        if seq == expected {
            self.position = seq
            return nil
        }
        guard seq > 0, seq <= self.position + Self.jumpMax else { return .absurd(seq: seq) }
        if seq > expected {
            let room = UInt64(Self.missingMax - self.missing.count)
            self.missing.append(contentsOf: expected..<min(seq, expected + room))
            self.position = seq
            return .gap(first: expected, last: seq - 1)
        }
        // It comes after all, behind a later one: the gap was noted, and the message is not lost.
        guard let place = self.missing.firstIndex(of: seq) else { return .repeated(seq: seq) }
        self.missing.remove(at: place)
        return nil
    }

    /// Whether this number was not handed over, as far as that is remembered.
    package func lacks(_ seq: UInt64) -> Bool {
        seq > self.position || self.missing.contains(seq)
    }
}

extension Violation {
    /// What the audit says of an irregularity.
    package init(_ irregularity: DeviceProgress.Irregularity, conversation: Int, user: Int) {
        switch irregularity {
        case .repeated(let seq):
            self.init(.repeated, conversation: conversation, seq: seq, user: user, "handed over again")
        case .gap(let first, let last):
            let detail = "\(first)…\(last) missing when \(last + 1) was handed over"
            self.init(.gap, conversation: conversation, seq: first, user: user, detail)
        case .absurd(let seq):
            self.init(.gap, conversation: conversation, seq: seq, user: user, "a number out of all proportion")
        }
    }
}
