// SPDX-License-Identifier: Apache-2.0

internal import Messaging

extension Auditor {
    mutating func checkMessages() {
        var sends: [Int: [SentMessage]] = [:]
        for message in self.record.sends { sends[message.conversation, default: []].append(message) }
        for conversation in self.record.conversations {
            self.checkStored(conversation, sends[conversation.number] ?? [])
            self.checkIDs(conversation)
            let stored = Dictionary(
                conversation.stored.map { ($0.id, $0.seq) },
                uniquingKeysWith: { first, _ in first }
            )
            let unreplicated = self.record.shards.first { $0.name == conversation.shard }?.unreplicated ?? []
            for message in sends[conversation.number] ?? [] {
                self.checkReplication(message, unreplicated)
                self.checkAcknowledgements(message, stored[message.id])
                self.checkRefusals(message)
            }
        }
    }

    private mutating func checkStored(_ conversation: ConversationRecord, _ sends: [SentMessage]) {
        let sent = Set(sends.map { MessageKey(user: $0.user, id: $0.id) })
        var expected: UInt64 = 1
        var seen: [MessageKey: UInt64] = [:]
        for message in conversation.stored {
            self.result.stored += 1
            if message.seq != expected {
                self.result.note(
                    Violation(.sparse, "\(self.name(conversation.number)) has \(message.seq) where \(expected) belongs")
                )
            }
            expected = message.seq + 1
            guard let user = message.user, sent.contains(MessageKey(user: user, id: message.id)) else {
                self.result.note(
                    Violation(.foreign, "\(self.name(conversation.number)) has \(message.id), which nobody sent")
                )
                continue
            }
            if let other = seen.updateValue(message.seq, forKey: MessageKey(user: user, id: message.id)) {
                self.result.note(
                    Violation(
                        .storedTwice,
                        "\(self.name(conversation.number)) has \(message.id) as \(other) and as \(message.seq)"
                    )
                )
            }
            if !message.isIntact {
                self.result.note(
                    Violation(.altered, "\(self.name(conversation.number)) has another body under \(message.seq)")
                )
            }
        }
    }

    private mutating func checkIDs(_ conversation: ConversationRecord) {
        var messages = Set(conversation.stored.map { StoredID(seq: $0.seq, id: $0.id, user: $0.user) }.map(IDRow.init))
        for row in conversation.storedIDs.map(IDRow.init) where messages.remove(row) == nil {
            self.result.note(
                Violation(
                    .idIndex,
                    "\(self.name(conversation.number)): the id \(row.id) is said to be \(row.seq), and is not, or twice"
                )
            )
        }
        for row in messages.sorted(by: { $0.seq < $1.seq }) {
            self.result.note(
                Violation(.idIndex, "\(self.name(conversation.number)): the id of \(row.seq) is not remembered")
            )
        }
    }

    private struct IDRow: Hashable {
        var seq: UInt64
        var id: ClientMessageID
        var user: Int?

        init(_ row: StoredID) {
            self.seq = row.seq
            self.id = row.id
            self.user = row.user
        }
    }

    private mutating func checkAcknowledgements(_ message: SentMessage, _ storedSeq: UInt64?) {
        let place = "sender \(message.sender), \(self.name(message.conversation)), \(message.id)"
        guard let first = message.acknowledgements.first else {
            self.result.note(Violation(.unanswered, at: message.firstSentAt, "\(place) was never acknowledged"))
            return
        }
        self.result.acknowledged += 1
        for other in message.acknowledgements.dropFirst() where other.seq != first.seq {
            self.result.note(
                Violation(.wrongNumber, at: other.at, "\(place) was acknowledged as \(first.seq) and as \(other.seq)")
            )
        }
        guard let storedSeq else {
            self.result.note(
                Violation(.lost, at: first.at, "\(place) was acknowledged as \(first.seq) and is not stored")
            )
            return
        }
        if storedSeq != first.seq {
            self.result.note(
                Violation(
                    .wrongNumber,
                    at: first.at,
                    "\(place) was acknowledged as \(first.seq) and is stored as \(storedSeq)"
                )
            )
        }
    }

    /// An acknowledgement long after the replica was gone, and before it was back, is of a commit that only the primary
    /// has: it would be lost with it.
    private mutating func checkReplication(_ message: SentMessage, _ unreplicated: [Wait]) {
        guard let first = message.acknowledgements.first else { return }
        for span in unreplicated
        where first.at > span.from + self.limits.acknowledgementTravelMax && first.at < span.until {
            self.result.note(
                Violation(
                    .notReplicated,
                    at: first.at,
                    """
                    sender \(message.sender), \(self.name(message.conversation)), \(message.id) was acknowledged as \
                    \(first.seq) \(Rendering.seconds(first.at - span.from)) s after the replica was gone
                    """
                )
            )
        }
    }

    private mutating func checkRefusals(_ message: SentMessage) {
        for refusal in message.refusals {
            self.result.refused += 1
            let place = "sender \(message.sender), \(self.name(message.conversation)), \(message.id)"
            if !self.limits.refusalCodes.contains(refusal.code) {
                self.result.note(Violation(.refusalCode, at: refusal.at, "\(place) was refused with \(refusal.code)"))
            } else if refusal.retryAfterMilliseconds == nil {
                self.result.note(
                    Violation(.refusalWithoutPause, at: refusal.at, "\(place): \(refusal.code) without retry_after_ms")
                )
            }
        }
    }
}
