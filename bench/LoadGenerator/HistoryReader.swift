// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Reads the conversations as the cluster shows them over REST, page by page from the first message on.
struct HistoryReader: Sendable {
    /// Conversations that are read at once.
    static let concurrency = 8

    let plan: MessagePlan
    let identity: MessageIdentity
    let bodies: BodyText
    let http: TrunklineHTTP

    /// Hands over message by message. Returns false when a page could not be read after all attempts.
    func read(
        _ conversation: ConversationID,
        token: String,
        edge: Int,
        _ take: (HistoryAudit.StoredMessage) -> Void
    ) async -> Bool {
        var position: UInt64 = 0
        while true {
            guard
                let page = try? await self.http.messages(
                    in: conversation,
                    after: position,
                    token: token,
                    edge: edge
                )
            else { return false }
            for message in page.messages {
                let number = self.identity.message(of: message.clientMessageID, in: self.plan)
                take(
                    HistoryAudit.StoredMessage(
                        seq: message.seq,
                        message: number.map { UInt32($0) } ?? ConversationLedger.foreign,
                        hasOwnBody: number.map { self.bodies.body(of: $0) == message.body } ?? true
                    )
                )
            }
            // A page that does not lead on would be asked for again and again.
            guard page.hasMore, let last = page.messages.last, last.seq > position else { return !page.hasMore }
            position = last.seq
        }
    }
}
