// SPDX-License-Identifier: Apache-2.0

import Messaging
import Storage
import Wire

/// Requests that only read receipts. They are read from the database, which is never behind what any device was told.
enum ReceiptReads {
    static func perform(_ call: Call, _ readers: ShardReaders, membersMax: Int) throws(FieldError) {
        switch call.kind {
        case .getMessageStatus:
            let request = try GetMessageStatus(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                let report = try session.messageStatus(
                    request.conversation,
                    seq: request.seq,
                    for: request.reader,
                    membersMax: membersMax
                )
                return report.map { .ok(MessageStatusBody($0)) } ?? .failed(.noSuchMessage)
            }
        case .getReceipts:
            let request = try GetReceipts(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                let entries = try session.receipts(
                    of: request.conversation,
                    for: request.reader,
                    membersMax: membersMax
                )
                return entries.map { .ok(ReceiptList(entries: $0)) } ?? .failed(.noSuchConversation)
            }
        case .readReceipts:
            let request = try ReadReceipts(decoding: call.payload)
            readers.answer(call) { (session) throws(StorageError) in
                .ok(
                    ReceiptsOfConversations(
                        receipts: try session.receipts(
                            of: request.conversations,
                            for: request.user,
                            membersMax: membersMax
                        )
                    )
                )
            }
        default:
            preconditionFailure("\(call.kind) is not a read of receipts")
        }
    }
}
