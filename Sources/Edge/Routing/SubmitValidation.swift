// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import Wire

extension Submit {
    /// The submit that a client's message becomes, checked: the same for REST and WebSocket.
    ///
    /// - Throws: `invalid_field`, `too_large`, or `client_message_id_too_old` for an id whose row may be gone, so that
    ///   it cannot be told whether the message was stored before (contract C2).
    package init(_ request: SendMessageRequest, from claims: AccessClaims, now: UnixMilliseconds) throws(Failure) {
        try request.validate()
        guard let time = request.clientMessageID.timestamp, time <= now + Limits.clientMessageIDAheadMax else {
            throw Failure(
                .invalidField,
                "The field `client_message_id` must be a UUID of version 7 of now, and its time is in the future."
            )
        }
        guard now < Limits.clientMessageIDAgeMax || time >= now - Limits.clientMessageIDAgeMax else {
            throw Failure(
                .clientMessageIDTooOld,
                "The field `client_message_id` is older than the time for which repeated messages are noticed."
            )
        }
        self.init(
            conversation: request.conversationID,
            sender: claims.user,
            senderDevice: claims.device,
            clientMessageID: request.clientMessageID,
            kind: request.kind,
            body: request.body
        )
    }
}
