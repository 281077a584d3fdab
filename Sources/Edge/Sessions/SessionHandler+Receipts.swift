// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// The receipts of a session.
extension SessionHandler {
    func store(_ watermarks: Watermarks, in conversation: ConversationID, owner: Session.Owner, id: CommandID) {
        guard self.services.mode != .stopping else { return self.send(.error(id, .stopping)) }
        guard self.receiptsInFlight < self.services.settings.submitsInFlightMax else {
            return self.send(.error(id, .tooManyReceiptsInFlight))
        }
        self.receiptsInFlight += 1
        let (loop, session) = (self.loop, self.id)
        self.services.receipts.store(
            watermarks,
            of: owner.user,
            in: conversation,
            deadline: .now() + TimeAmount(self.services.settings.submitTimeout)
        ) { result in
            loop.post(.receiptEnded(id, conversation, result), to: session)
        }
    }

    func receiptEnded(_ id: CommandID, _ conversation: ConversationID, _ result: Result<Watermarks, Failure>) {
        self.receiptsInFlight -= 1
        switch result {
        case .success(let watermarks):
            self.send(.receiptStored(id, ReceiptStored(conversationID: conversation, watermarks: watermarks)))
        case .failure(let failure):
            self.send(.error(id, failure))
        }
    }
}

extension Failure {
    fileprivate static let tooManyReceiptsInFlight = Failure(
        .overloaded,
        "Too many receipts of this session wait for their answer.",
        retryAfterMilliseconds: 100
    )
}
