// SPDX-License-Identifier: Apache-2.0

import Messaging

/// The fields of `send_message`.
package func sendFields(
    _ conversation: String,
    _ body: String,
    id: ClientMessageID = .generate(),
    kind: String = "text"
) -> String {
    #""conversation_id":"\#(conversation)","client_message_id":"\#(id)","kind":"\#(kind)","body":"\#(body)""#
}
