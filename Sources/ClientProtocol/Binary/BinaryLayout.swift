// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// The fields of one message or record of the binary protocol, as `/binary.proto` describes them: for the text of errors,
/// and for the tests that hold document, description and code together.
package struct BinaryLayout: Sendable {
    package enum Kind: Hashable, Sendable {
        /// A varint.
        case number
        /// A varint, 0 or 1.
        case flag
        /// A varint, milliseconds since 1970.
        case time
        /// UTF-8.
        case text
        /// 16 bytes.
        case id
        /// 16 bytes each, in one record.
        case ids
        /// A varint, one of the numbers of this enumeration.
        case choice(String)
        /// A record for each element, laid out as the one with this name.
        case groups(String)
    }

    package struct Field: Hashable, Sendable {
        package var number: Int
        package var name: String
        package var kind: Kind
        /// That it is not there means something else than 0, false and empty.
        package var isOptional = false
        /// Elements, or bytes of a text.
        package var atMost: Int?
    }

    /// The `type` of the message in JSON, or the name of the record.
    package var name: String
    package var fields: [Field]

    init(_ name: String, _ fields: [Field]) {
        self.name = name
        self.fields = fields
    }

    func field(_ number: Int) -> Field {
        self.fields.first { $0.number == number } ?? Field(number: number, name: "\(number)", kind: .number)
    }
}

extension BinaryLayout.Field {
    static func field(_ number: Int, _ name: String, _ kind: BinaryLayout.Kind, atMost: Int? = nil) -> Self {
        Self(number: number, name: name, kind: kind, atMost: atMost)
    }

    static func optional(_ number: Int, _ name: String, _ kind: BinaryLayout.Kind, atMost: Int? = nil) -> Self {
        Self(number: number, name: name, kind: kind, isOptional: true, atMost: atMost)
    }

    /// What it has to be, as the end of a sentence about it.
    var rule: String {
        switch self.kind {
        case .number: self.name == "seq" ? "must be a number from 1 to 2^63-1" : "must be a number within its bounds"
        case .flag: "must be the number 0 or 1"
        case .time: "must be a number of milliseconds"
        case .text: "must be UTF-8"
        case .id: "must be the 16 bytes of a UUID"
        case .ids: "must be the 16 bytes of each of its UUIDs"
        case .choice(let name): "must be one of the numbers of \(name)"
        case .groups(let name): "must be records laid out as \(name)"
        }
    }

    var bound: String {
        let count = self.atMost.map { "\($0) " } ?? "its bound of "
        return count + (self.kind == .text ? "bytes" : "elements")
    }
}

extension BinaryLayout {
    package static func command(_ name: ClientCommand.Name) -> BinaryLayout {
        let id = Field.optional(1, "id", .number)
        let fields: [Field] =
            switch name {
            case .authenticate:
                [.field(2, "token", .text), .field(3, "device_id", .id), .field(4, "sync", .flag)]
            case .sendMessage:
                [
                    .field(2, "conversation_id", .id), .field(3, "client_message_id", .id),
                    .field(4, "kind", .choice("MessageKind")),
                    .field(5, "body", .text, atMost: Limits.messageBodyBytesMax),
                ]
            case .messageDelivered, .messageRead:
                [.field(2, "conversation_id", .id), .field(3, "seq", .number)]
            case .sync:
                [
                    .field(2, "cursors", .groups("Cursor"), atMost: SyncRequest.cursorsMax),
                    .field(3, "receipts", .flag),
                    .optional(4, "resume", .text, atMost: SyncRequest.resumeBytesMax), .field(5, "more", .flag),
                ]
            case .watchPresence:
                [.field(2, "conversation_ids", .ids, atMost: Limits.watchedConversationsMax)]
            case .setStatus:
                [
                    .optional(2, "status", .choice("ChosenStatus")),
                    .optional(3, "visible_to", .choice("PresenceVisibility")),
                ]
            case .setTyping:
                [.field(2, "conversation_id", .id), .optional(3, "is_typing", .flag)]
            case .ping:
                []
            }
        return BinaryLayout(name.rawValue, [id] + fields)
    }

    package static func message(_ name: ServerMessage.Name) -> BinaryLayout {
        BinaryLayout(name.rawValue, Self.answer(name) ?? Self.event(name))
    }

    private static func answer(_ name: ServerMessage.Name) -> [Field]? {
        let fields: [Field]
        switch name {
        case .authenticated:
            fields = [
                .field(2, "user_id", .id), .field(3, "device_id", .id), .field(4, "session_id", .id),
                .field(5, "heartbeat_ms", .number), .field(6, "body_bytes", .number),
                .field(7, "frame_bytes", .number), .field(8, "in_flight", .number),
            ]
        case .messageSent:
            fields = [
                .field(2, "conversation_id", .id), .field(3, "client_message_id", .id), .field(4, "seq", .number),
                .field(5, "created_at", .time), .field(6, "duplicate", .flag),
            ]
        case .receiptStored:
            fields = [
                .field(2, "conversation_id", .id), .field(3, "delivered_seq", .number),
                .field(4, "read_seq", .number),
            ]
        case .pong: fields = [.optional(2, "resume", .text)]
        case .synced:
            fields = [
                .field(2, "changed", .number), .field(3, "too_far", .groups("TooFar")), .field(4, "removed", .ids),
                .field(5, "updated", .ids), .field(6, "unavailable", .ids), .field(7, "receipts_left_out", .ids),
                .field(8, "full", .flag), .optional(9, "resume", .text),
            ]
        case .presenceWatched: fields = [.field(2, "users", .groups("Presence"))]
        case .statusSet:
            fields = [
                .field(2, "status", .choice("ChosenStatus")), .field(3, "visible_to", .choice("PresenceVisibility")),
            ]
        case .error:
            fields = [
                .field(2, "code", .choice("ErrorCode")), .field(3, "message", .text),
                .optional(4, "retry_after_ms", .number),
            ]
        case .newMessage, .syncMessages, .syncReceipts, .conversationCreated, .conversationUpdated,
            .conversationDeleted, .memberAdded, .memberRemoved, .roleChanged, .messageDelivered, .messageRead,
            .userOnline, .userOffline, .typing, .resync, .reconnect:
            return nil
        }
        return [.optional(1, "id", .number)] + fields
    }

    private static func event(_ name: ServerMessage.Name) -> [Field] {
        switch name {
        case .newMessage: Self.deliveredMessage
        case .syncMessages:
            [
                .field(1, "conversation_id", .id), .field(2, "messages", .groups("Message")),
                .field(3, "head_seq", .number), .field(4, "has_more", .flag),
            ]
        case .syncReceipts:
            [
                .field(1, "conversation_id", .id), .field(2, "state", .number),
                .field(3, "receipts", .groups("Receipt")),
            ]
        case .conversationCreated:
            Self.conversation + [.field(6, "members", .groups("Member")), .field(7, "actor_id", .id)]
        case .conversationUpdated: Self.conversation + [.field(7, "actor_id", .id)]
        case .conversationDeleted: [.field(1, "conversation_id", .id), .field(2, "actor_id", .id)]
        case .memberAdded, .memberRemoved, .roleChanged:
            [
                .field(1, "conversation_id", .id), .field(2, "members", .groups("Member")),
                .field(3, "actor_id", .id),
            ]
        case .messageDelivered, .messageRead:
            [.field(1, "conversation_id", .id), .field(2, "user_id", .id), .field(3, "seq", .number)]
        case .userOnline: [.field(1, "user_id", .id), .field(2, "status", .choice("ShownStatus"))]
        case .userOffline: [.field(1, "user_id", .id), .optional(2, "last_seen_at", .time)]
        case .typing:
            [
                .field(1, "conversation_id", .id), .field(2, "user_id", .id), .field(3, "is_typing", .flag),
                .field(4, "expires_in_ms", .number),
            ]
        case .reconnect: [.field(1, "within_ms", .number), .optional(2, "edge", .text)]
        case .resync, .authenticated, .messageSent, .receiptStored, .pong, .synced, .presenceWatched, .statusSet,
            .error:
            []
        }
    }

    private static let deliveredMessage: [Field] = [
        .field(1, "conversation_id", .id), .field(2, "seq", .number), .field(3, "sender_id", .id),
        .field(4, "client_message_id", .id), .field(5, "kind", .choice("MessageKind")), .field(6, "body", .text),
        .field(7, "created_at", .time),
    ]

    private static let conversation: [Field] = [
        .field(1, "conversation_id", .id), .field(2, "kind", .choice("ConversationKind")), .field(3, "title", .text),
        .field(4, "head_seq", .number), .field(5, "created_at", .time),
    ]

    /// The records that stand inside of messages.
    package static let groups: [BinaryLayout] = [
        BinaryLayout(
            "Cursor",
            [.field(1, "conversation_id", .id), .field(2, "seq", .number), .optional(3, "state", .number)]
        ),
        BinaryLayout("Message", Self.deliveredMessage),
        BinaryLayout("Member", [.field(1, "user_id", .id), .field(2, "role", .choice("MemberRole"))]),
        BinaryLayout(
            "Receipt",
            [.field(1, "user_id", .id), .field(2, "delivered_seq", .number), .field(3, "read_seq", .number)]
        ),
        BinaryLayout(
            "TooFar",
            [.field(1, "conversation_id", .id), .field(2, "head_seq", .number), .field(3, "after", .number)]
        ),
        BinaryLayout(
            "Presence",
            [
                .field(1, "user_id", .id), .field(2, "status", .choice("ShownStatus")),
                .optional(3, "last_seen_at", .time),
            ]
        ),
    ]

    /// The numbers of the enumerations, by the names of their values in JSON.
    package static let choices: [String: [String: Int]] = [
        "MessageKind": Self.values(MessageKind.self, \.name),
        "ConversationKind": Self.values(ConversationKind.self, \.name),
        "MemberRole": Self.values(MemberRole.self, \.name),
        "ChosenStatus": Self.values(ChosenStatus.self, \.name),
        "ShownStatus": Self.values(ShownStatus.self, \.name),
        "PresenceVisibility": Self.values(PresenceVisibility.self, \.name),
        "ErrorCode": Self.values(ErrorCode.self, \.name),
    ]

    private static func values<Value: RawRepresentable & CaseIterable>(
        _ type: Value.Type,
        _ name: (Value) -> String
    ) -> [String: Int] where Value.RawValue: FixedWidthInteger {
        Dictionary(uniqueKeysWithValues: type.allCases.map { (name($0), Int($0.rawValue)) })
    }
}
