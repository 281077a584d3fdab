// SPDX-License-Identifier: Apache-2.0

package import Messaging

extension ClientCommand {
    /// The fields of `watch_presence`: from now on the session watches the members of these conversations and of no
    /// others. The list replaces the former one, so that a client which connects again sends it once and is right.
    package struct WatchPresence: Codable, Hashable, Sendable {
        /// At most ``Limits/watchedConversationsMax``; none ends the watching.
        package var conversationIDs: [ConversationID]

        package init(conversationIDs: [ConversationID]) {
            self.conversationIDs = conversationIDs
        }

        /// - Throws: `too_large`.
        func validate() throws(Failure) {
            guard self.conversationIDs.count <= Limits.watchedConversationsMax else {
                throw Failure(
                    .tooLarge,
                    "The field `conversation_ids` has more than \(Limits.watchedConversationsMax) elements."
                )
            }
        }

        func write(into object: inout JSONWriter.Object) {
            object.identifiers("conversation_ids", self.conversationIDs)
        }

        private enum CodingKeys: String, CodingKey {
            case conversationIDs = "conversation_ids"
        }
    }

    /// The fields of `set_status`, and of `PUT /api/users/status`: what is absent stays as it is.
    package struct SetStatus: Codable, Hashable, Sendable {
        package var status: ChosenStatus?
        package var visibleTo: PresenceVisibility?

        package init(status: ChosenStatus? = nil, visibleTo: PresenceVisibility? = nil) {
            self.status = status
            self.visibleTo = visibleTo
        }

        /// - Throws: `missing_field`.
        package func validate() throws(Failure) {
            guard self.status != nil || self.visibleTo != nil else {
                throw Failure(.missingField, "One of the fields `status` and `visible_to` is needed.")
            }
        }

        func write(into object: inout JSONWriter.Object) {
            if let status = self.status { object.literal("status", status.name) }
            if let visibleTo = self.visibleTo { object.literal("visible_to", visibleTo.name) }
        }

        private enum CodingKeys: String, CodingKey {
            case status
            case visibleTo = "visible_to"
        }
    }

    /// The fields of `set_typing`. It has no answer unless it is wrong: it is carried if there is room for it.
    package struct SetTyping: Codable, Hashable, Sendable {
        package var conversationID: ConversationID
        /// False when the user has stopped; true when the field is absent.
        package var isTyping: Bool

        package init(conversationID: ConversationID, isTyping: Bool = true) {
            self.conversationID = conversationID
            self.isTyping = isTyping
        }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            self.conversationID = try container.decode(ConversationID.self, forKey: .conversationID)
            self.isTyping = try container.decodeIfPresent(Bool.self, forKey: .isTyping) ?? true
        }

        func write(into object: inout JSONWriter.Object) {
            object.identifier("conversation_id", self.conversationID)
            object.flag("is_typing", self.isTyping)
        }

        private enum CodingKeys: String, CodingKey {
            case conversationID = "conversation_id"
            case isTyping = "is_typing"
        }
    }
}
