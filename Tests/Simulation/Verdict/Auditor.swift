// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage

/// Holds what the devices saw against what the shards have stored.
struct Auditor {
    let cluster: SimulatedCluster
    let devices: [SimulatedDevice]
    let conversations: [ConversationID]
    /// Whether no fault was injected: then nothing at all may be noticed.
    let isCalm: Bool

    private func stored(_ conversation: ConversationID) -> [Message] {
        self.cluster.shard(of: conversation).messages[conversation] ?? []
    }

    func violations() -> [Violation] {
        var found = self.epochs()
        for conversation in self.conversations {
            found += self.history(conversation)
            found += self.devices(conversation)
        }
        for device in self.devices { found += self.answers(device) + self.gaps(device) }
        return found + self.receipts()
    }

    /// Nothing was committed under another epoch than the view's.
    private func epochs() -> [Violation] {
        self.cluster.shards.values.flatMap { shard in
            shard.commits.filter { $0.epoch != $0.viewEpoch && !$0.messages.isEmpty }.map { commit in
                Violation(
                    kind: .epochsOverlap,
                    detail:
                        "\(shard.name) took \(commit.messages.map(\.body)) of epoch \(commit.epoch) in \(commit.viewEpoch)"
                )
            }
        }
    }

    private func history(_ conversation: ConversationID) -> [Violation] {
        var found: [Violation] = []
        let stored = self.stored(conversation)
        if stored.map(\.seq) != Array(1...UInt64(max(1, stored.count))).prefix(stored.count).map({ $0 }) {
            found.append(Violation(kind: .numbersWithGaps, detail: "\(conversation) has \(stored.map(\.seq))"))
        }
        var keys: Set<MessageKey> = []
        for message in stored where !keys.insert(MessageKey(message)).inserted {
            found.append(Violation(kind: .storedTwice, detail: "\(message.body) as \(message.seq) once more"))
        }
        return found
    }

    /// What was acknowledged is stored as it was acknowledged, and refusals are of the kind that a client may repeat.
    private func answers(_ device: SimulatedDevice) -> [Violation] {
        var found: [Violation] = []
        for answer in device.acknowledged {
            let stored = self.stored(answer.conversation)
            let message = answer.seq <= UInt64(stored.count) && answer.seq > 0 ? stored[Int(answer.seq) - 1] : nil
            guard message?.clientMessageID != answer.clientMessageID else { continue }
            found.append(
                Violation(
                    kind: .acknowledgedButLost,
                    detail: "\(answer.body) was acknowledged as \(answer.seq), there is \(message?.body ?? "nothing")"
                )
            )
        }
        let allowed: Set<ErrorCode> = self.isCalm ? [] : [.unavailable, .outcomeUnknown, .overloaded]
        for refusal in device.refusals where !allowed.contains(refusal.code) || refusal.retryAfterMilliseconds == nil {
            // Who is removed learns that there is no such conversation.
            guard refusal.code != .notFound || !self.cluster.wasEverRemoved(device.user) else { continue }
            found.append(Violation(kind: .refused, detail: "\(device.name) was told \(refusal.code.name)"))
        }
        return found + self.order(device)
    }

    private func gaps(_ device: SimulatedDevice) -> [Violation] {
        // Who is let in again begins behind a gap.
        guard !self.cluster.wasEverRemoved(device.user) else { return [] }
        var found: [Violation] = []
        if self.isCalm, device.silentGaps > 0 {
            found.append(Violation(kind: .gapInCalm, detail: "\(device.name) missed a message and nobody told it"))
        }
        if self.isCalm, device.repeats > 0 {
            found.append(
                Violation(kind: .repeatedInCalm, detail: "\(device.name) got \(device.repeats) messages again")
            )
        }
        if device.gapsUntold > 0 {
            found.append(Violation(kind: .gapUntold, detail: "\(device.name) waited in vain for what it missed"))
        }
        return found
    }

    /// A device that was never refused anything has its messages stored in the order in which it sent them.
    private func order(_ device: SimulatedDevice) -> [Violation] {
        guard device.refusals.isEmpty else { return [] }
        return self.conversations.flatMap { conversation -> [Violation] in
            let own = self.stored(conversation).filter { $0.senderDevice == device.id }.map(\.clientMessageID)
            guard own != own.sorted() else { return [] }
            return [Violation(kind: .orderOfSender, detail: "\(device.name) in \(conversation)")]
        }
    }

    /// Every device of a member has the same messages in the same order; nobody has what was stored while he was no member.
    private func devices(_ conversation: ConversationID) -> [Violation] {
        let shard = self.cluster.shard(of: conversation)
        let stored = self.stored(conversation)
        let members = shard.rows[conversation]?.state.members ?? []
        return self.devices.flatMap { device -> [Violation] in
            let seen = device.handedOver[conversation] ?? []
            var found = self.strangers(device, conversation, stored, seen)
            guard let member = members.first(where: { $0.user == device.user }) else { return found }
            let expected = stored.filter { $0.seq > member.joinedSeq }
                .map { SimulatedDevice.HandedOver(seq: $0.seq, body: $0.body) }
            let since = seen.filter { $0.seq > member.joinedSeq }
            guard since != expected else { return found }
            let missing = expected.filter { !since.contains($0) }
            found.append(
                Violation(
                    kind: .deviceDiffers,
                    detail: "\(device.name) has \(since.count) of \(expected.count) in \(conversation), "
                        + "missing \(missing.map(\.body).prefix(5))"
                )
            )
            return found
        }
    }

    private func strangers(
        _ device: SimulatedDevice,
        _ conversation: ConversationID,
        _ stored: [Message],
        _ seen: [SimulatedDevice.HandedOver]
    ) -> [Violation] {
        let meant = self.cluster.shard(of: conversation).audiences[conversation] ?? [:]
        return seen.filter { !(meant[$0.seq]?.contains(device.user) ?? true) }.prefix(3).map { message in
            Violation(
                kind: .deliveredToStranger,
                detail: "\(device.name) got \(message.body)=\(message.seq) of \(conversation) and was no member then"
            )
        }
    }
}
