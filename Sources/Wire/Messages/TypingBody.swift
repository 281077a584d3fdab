// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Somebody writes, or has stopped. Ephemeral: edge → owner of the conversation's slot, without recipients; and owner
/// → edges of the audience.
package struct Typing: WireMessage, Equatable {
    package var conversation: ConversationID
    package var user: UserID
    /// Is not told of its own typing.
    package var device: DeviceID
    package var isTyping: Bool
    package var recipients: [UserID]

    package init(
        conversation: ConversationID,
        user: UserID,
        device: DeviceID,
        isTyping: Bool,
        recipients: [UserID] = []
    ) {
        self.conversation = conversation
        self.user = user
        self.device = device
        self.isTyping = isTyping
        self.recipients = recipients
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.conversation)
        writer.identifier(2, self.user)
        writer.identifier(3, self.device)
        writer.flag(4, self.isTyping)
        writer.identifiers(5, self.recipients)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var user: UserID?
        var device: DeviceID?
        var isTyping = false
        var recipients: [UserID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: conversation = try field.identifier()
            case 2: user = try field.identifier()
            case 3: device = try field.identifier()
            case 4: isTyping = try field.flag()
            case 5: recipients = try field.identifiers(atMost: Limits.usersPerFrameMax)
            default: break
            }
        }
        guard let conversation else { throw .missing(field: 1) }
        guard let user else { throw .missing(field: 2) }
        guard let device else { throw .missing(field: 3) }
        self.init(conversation: conversation, user: user, device: device, isTyping: isTyping, recipients: recipients)
    }
}
