// SPDX-License-Identifier: Apache-2.0

/// What one device was handed over in one conversation: four bytes a message while everything is in order.
package struct DeviceLog: Sendable {
    /// Stands for a client message id that is not one of this run.
    package static let foreign = UInt32.max
    /// Stands for a number that was passed over.
    package static let missing = UInt32.max - 1
    /// Irregularities that are kept; all are counted.
    package static let irregularitiesMax = 20
    /// Numbers that a message may lie ahead: what is passed over is noted one by one.
    package static let jumpMax: UInt64 = 1_000_000

    package enum Irregularity: Sendable, Equatable {
        /// A number that was handed over before.
        case repeated(seq: UInt64)
        /// Numbers between the message and the one before it were passed over.
        case gap(first: UInt64, last: UInt64)
        /// A message with the body of another.
        case altered(seq: UInt64)
        /// A number that cannot be one.
        case absurd(seq: UInt64)
    }

    /// The message with number k + 1 at place k.
    package private(set) var messages: [UInt32] = []
    package private(set) var irregularities: [Irregularity] = []
    package private(set) var irregularityCount = 0

    package init() {}

    /// - Parameter message: Its number in the plan, or ``foreign``.
    ///
    /// Returns what was not as it has to be.
    @discardableResult
    package mutating func record(seq: UInt64, message: UInt32) -> Irregularity? {
        let expected = UInt64(self.messages.count) + 1
        if seq == expected {
            self.messages.append(message)
            return nil
        } else if seq == 0 || seq > expected + Self.jumpMax {
            return self.note(.absurd(seq: seq))
        } else if seq > expected {
            self.messages.append(contentsOf: repeatElement(Self.missing, count: Int(seq - expected)))
            self.messages.append(message)
            return self.note(.gap(first: expected, last: seq - 1))
        } else if self.messages[Int(seq) - 1] == Self.missing {
            // It comes after all, behind a later one: the gap is noted, and the message is not lost.
            self.messages[Int(seq) - 1] = message
            return nil
        } else {
            return self.note(.repeated(seq: seq))
        }
    }

    @discardableResult
    package mutating func recordAltered(seq: UInt64) -> Irregularity {
        self.note(.altered(seq: seq))
    }

    private mutating func note(_ irregularity: Irregularity) -> Irregularity {
        self.irregularityCount += 1
        if self.irregularities.count < Self.irregularitiesMax { self.irregularities.append(irregularity) }
        return irregularity
    }
}

extension Violation {
    /// What the audit says of an irregularity.
    package init(_ irregularity: DeviceLog.Irregularity, conversation: Int, user: Int) {
        switch irregularity {
        case .repeated(let seq):
            self.init(.repeated, conversation: conversation, seq: seq, user: user, "handed over again")
        case .gap(let first, let last):
            let detail = "\(first)…\(last) missing when \(last + 1) was handed over"
            self.init(.gap, conversation: conversation, seq: first, user: user, detail)
        case .altered(let seq):
            self.init(.altered, conversation: conversation, seq: seq, user: user, "another body than was sent")
        case .absurd(let seq):
            self.init(.gap, conversation: conversation, seq: seq, user: user, "a number out of all proportion")
        }
    }
}
