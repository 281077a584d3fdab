// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage
import Wire

/// Receipts from one edge that wait for their answer.
package struct ReceiptRequest: Sendable, Equatable {
    /// The shell's name for it; comes back with the answer.
    package var ticket: UInt64
    package var slot: Slot
    package var body: StoreReceipts

    package init(ticket: UInt64, slot: Slot, body: StoreReceipts) {
        self.ticket = ticket
        self.slot = slot
        self.body = body
    }
}

/// What receipts come to: one row for each member who has come further, and nothing for all the others. Pure.
///
///     conversationsToLoad ──▶ load ──▶ plan ──▶ one transaction ──▶ committed: answers and what the members are told
///
/// Watermarks are merged by the larger number here, in ``ReceiptBatch``, and once more in the row itself, so a round may be
/// begun again after any failure.
package struct ReceiptPlan: Sendable {
    /// Rows of one statement, from which on no further request is taken into it: what is left goes into the next, so that
    /// messages which come meanwhile do not wait long. A request that is begun is taken whole.
    package static let rowsMax = 1024

    /// Those that need no transaction.
    package var answers: [(ticket: UInt64, answer: ReceiptsStored)] = []
    package var batch = ReceiptBatch()
    /// Those that are answered when the batch is committed.
    package var waiting: [ReceiptRequest] = []
    /// Those that go into the next round.
    package var rest: [ReceiptRequest] = []

    init(_ requests: [ReceiptRequest], _ sequencer: Sequencer) {
        for (place, request) in requests.enumerated() {
            guard self.batch.rowCount < Self.rowsMax else {
                self.rest = Array(requests[place...])
                break
            }
            guard let entry = sequencer[request.body.conversation] else {
                self.answers.append((request.ticket, ReceiptsStored(entries: [])))
                continue
            }
            var needsCommit = false
            for asked in request.body.entries {
                // Beyond the head is no message: such a number counts for nothing.
                let wanted = asked.watermarks.within(head: entry.conversation.headSeq)
                guard entry.members[asked.user] != nil, !entry.receipts.covers(wanted, of: asked.user) else { continue }
                self.batch.merge(wanted, of: MemberKey(conversation: entry.conversation.id, user: asked.user))
                needsCommit = true
            }
            if needsCommit {
                self.waiting.append(request)
            } else {
                self.answers.append((request.ticket, request.answer(from: sequencer)))
            }
        }
    }

    /// The batch is stored, as this says. Nobody is told anything before that.
    ///
    /// - Parameter membersMax: in conversations with more members a receipt is told to the member's own devices alone.
    func committed(
        _ stored: [MemberKey: Watermarks],
        _ sequencer: inout Sequencer,
        membersMax: Int
    ) -> (answers: [(ticket: UInt64, answer: ReceiptsStored)], parcels: [Parcel]) {
        // Who has no row is no member, whatever is in memory.
        sequencer.forget(Set(self.batch.rows.keys.lazy.filter { stored[$0] == nil }.map(\.conversation)))
        let parcels = sequencer.tell(stored, membersMax: membersMax)
        let answers = self.waiting.map { ($0.ticket, $0.answer(from: sequencer, stored)) }
        return (answers, parcels)
    }

    /// The conversations that have to be read before these can be planned: the unknown ones, and those of which a receipt
    /// names a message that is not known. Either nobody has it, or another router numbered it and this one's time is
    /// over: the database knows.
    static func conversationsToLoad(
        _ requests: [ReceiptRequest],
        _ sequencer: Sequencer,
        alreadyRead: Set<ConversationID>
    ) -> [ConversationID] {
        var seen = alreadyRead
        return requests.compactMap { request in
            let conversation = request.body.conversation
            if let entry = sequencer[conversation] {
                let head = entry.conversation.headSeq
                guard request.body.entries.contains(where: { $0.watermarks.delivered > head }) else { return nil }
            }
            return seen.insert(conversation).inserted ? conversation : nil
        }
    }
}

extension ReceiptRequest {
    fileprivate func answer(
        from sequencer: Sequencer,
        _ stored: [MemberKey: Watermarks] = [:]
    ) -> ReceiptsStored {
        let entry = sequencer[self.body.conversation]
        let entries = self.body.entries.compactMap { asked -> MemberWatermarks? in
            let key = MemberKey(conversation: self.body.conversation, user: asked.user)
            let known = entry.flatMap { entry in entry.members[asked.user].map { entry.receipts.watermarks(of: $0) } }
            guard let watermarks = stored[key] ?? known else { return nil }
            return MemberWatermarks(user: asked.user, watermarks: watermarks.union(known ?? .zero))
        }
        return ReceiptsStored(entries: entries)
    }
}

extension Sequencer {
    /// Takes what is stored. Returns what the members are to be told: for each conversation one parcel.
    fileprivate mutating func tell(_ stored: [MemberKey: Watermarks], membersMax: Int) -> [Parcel] {
        var news: [ConversationID: [MemberWatermarks]] = [:]
        for (key, watermarks) in stored {
            guard let untold = self.tell(watermarks, of: key.user, in: key.conversation) else { continue }
            news[key.conversation, default: []].append(MemberWatermarks(user: key.user, watermarks: untold))
        }
        // In an order that does not depend on hashes, so that a run can be repeated.
        return news.sorted { $0.key < $1.key }.compactMap { conversation, entries in
            guard let members = self[conversation]?.members else { return nil }
            let isPrivate = members.users.count > membersMax
            // Only what was read matters to the member's own devices.
            let told = isPrivate ? entries.filter { $0.watermarks.read > 0 } : entries
            guard !told.isEmpty else { return nil }
            return Parcel(
                conversation: conversation,
                content: .receipts(told.sorted { $0.user < $1.user }, isPrivate: isPrivate),
                members: members
            )
        }
    }
}
