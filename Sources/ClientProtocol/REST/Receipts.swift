// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The fields of the commands `message_delivered` and `message_read`: everything up to the message with this number.
package struct ReceiptRequest: Codable, Hashable, Sendable {
    /// What ``seq`` may be.
    static let seqs: ClosedRange<UInt64> = 1...UInt64(Int64.max)

    package var conversationID: ConversationID
    package var seq: UInt64

    package init(conversationID: ConversationID, seq: UInt64) {
        self.conversationID = conversationID
        self.seq = seq
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.conversationID = try container.decode(ConversationID.self, forKey: .conversationID)
        self.seq = try container.decode(UInt64.self, forKey: .seq)
        guard Self.seqs.contains(self.seq) else {
            throw FieldRule("must be a number from 1 to 2^63-1").violated(at: container.codingPath + [CodingKeys.seq])
        }
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case seq
    }
}

/// The answer to a receipt: of `PUT /api/messages/{id}/status`, and the fields of `receipt_stored`. The user's watermarks
/// as they are stored now, which may be larger than what was asked for.
package struct ReceiptStored: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var deliveredSeq: UInt64
    package var readSeq: UInt64

    package init(conversationID: ConversationID, watermarks: Watermarks) {
        self.conversationID = conversationID
        self.deliveredSeq = watermarks.delivered
        self.readSeq = watermarks.read
    }

    package var watermarks: Watermarks { Watermarks(delivered: self.deliveredSeq, read: self.readSeq) }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case deliveredSeq = "delivered_seq"
        case readSeq = "read_seq"
    }
}

/// The fields of the events `message_delivered` and `message_read`: a member has come so far.
package struct ReceiptEvent: Codable, Hashable, Sendable {
    package var conversationID: ConversationID
    package var userID: UserID
    package var seq: UInt64

    package init(conversationID: ConversationID, userID: UserID, seq: UInt64) {
        self.conversationID = conversationID
        self.userID = userID
        self.seq = seq
    }

    private enum CodingKeys: String, CodingKey {
        case conversationID = "conversation_id"
        case userID = "user_id"
        case seq
    }
}

/// `GET /api/conversations/{id}/receipts`
package struct ReceiptsResponse: Codable, Hashable, Sendable {
    package struct Row: Codable, Hashable, Sendable {
        package var userID: UserID
        package var deliveredSeq: UInt64
        package var readSeq: UInt64

        package init(_ member: MemberWatermarks) {
            self.userID = member.user
            self.deliveredSeq = member.watermarks.delivered
            self.readSeq = member.watermarks.read
        }

        package var watermarks: Watermarks { Watermarks(delivered: self.deliveredSeq, read: self.readSeq) }

        private enum CodingKeys: String, CodingKey {
            case userID = "user_id"
            case deliveredSeq = "delivered_seq"
            case readSeq = "read_seq"
        }
    }

    package var receipts: [Row]

    package init(receipts: [Row]) {
        self.receipts = receipts
    }
}

/// `GET /api/messages/{id}/status`
package struct MessageStatusResponse: Codable, Hashable, Sendable {
    package struct Row: Codable, Hashable, Sendable {
        package var userID: UserID
        package var status: MessageStatus

        package init(userID: UserID, status: MessageStatus) {
            self.userID = userID
            self.status = status
        }

        private enum CodingKeys: String, CodingKey {
            case userID = "user_id"
            case status
        }
    }

    package var messageID: MessageID
    /// The members whom the message was for, without its sender.
    package var recipientCount: Int
    package var deliveredCount: Int
    package var readCount: Int
    /// Absent in a conversation that is too large for it.
    package var recipients: [Row]?

    package init(_ report: MessageStatusReport, of message: MessageID) {
        self.messageID = message
        self.recipientCount = report.recipientCount
        self.deliveredCount = report.deliveredCount
        self.readCount = report.readCount
        self.recipients = report.recipients?.map {
            Row(userID: $0.user, status: $0.watermarks.status(of: message.seq))
        }
    }

    private enum CodingKeys: String, CodingKey {
        case messageID = "message_id"
        case recipientCount = "recipient_count"
        case deliveredCount = "delivered_count"
        case readCount = "read_count"
        case recipients
    }
}

/// `PUT /api/messages/{id}/status`
package struct SetMessageStatusRequest: Codable, Hashable, Sendable {
    package var status: MessageStatus

    package init(status: MessageStatus) {
        self.status = status
    }

    /// What the request says of the message with this number.
    ///
    /// - Throws: `invalid_field` for a status that no device can set.
    package func watermarks(at seq: UInt64) throws(Failure) -> Watermarks {
        switch self.status {
        case .delivered: Watermarks(delivered: seq, read: 0)
        case .read: Watermarks(delivered: seq, read: seq)
        case .sent: throw Failure(.invalidField, "The field `status` must be one of delivered, read.")
        }
    }
}
