// SPDX-License-Identifier: Apache-2.0

/// What a message holds. The raw value is the number on the mesh and in the database; never renumber.
package enum MessageKind: UInt8, Sendable, CaseIterable {
    case text = 1
    case image = 2
    case video = 3
    case audio = 4
    case voice = 5
    case document = 6
    case location = 7
    case sticker = 8
    case gif = 9

    package var name: String {
        switch self {
        case .text: "text"
        case .image: "image"
        case .video: "video"
        case .audio: "audio"
        case .voice: "voice"
        case .document: "document"
        case .location: "location"
        case .sticker: "sticker"
        case .gif: "gif"
        }
    }

    package init?(name: String) {
        guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }
}

/// A stored message, as every device sees it.
package struct Message: Hashable, Sendable {
    package var conversation: ConversationID
    package var seq: UInt64
    package var sender: UserID
    /// The device that sent it: the one device that gets no `new_message` for it.
    package var senderDevice: DeviceID
    package var clientMessageID: ClientMessageID
    package var kind: MessageKind
    /// Text for people or an opaque reference; the cluster never looks inside.
    package var body: String
    package var createdAt: UnixMilliseconds

    package var id: MessageID {
        MessageID(conversation: self.conversation, seq: self.seq)
    }

    package init(
        conversation: ConversationID,
        seq: UInt64,
        sender: UserID,
        senderDevice: DeviceID,
        clientMessageID: ClientMessageID,
        kind: MessageKind,
        body: String,
        createdAt: UnixMilliseconds
    ) {
        self.conversation = conversation
        self.seq = seq
        self.sender = sender
        self.senderDevice = senderDevice
        self.clientMessageID = clientMessageID
        self.kind = kind
        self.body = body
        self.createdAt = createdAt
    }
}

/// A person as others may see it.
package struct UserProfile: Hashable, Sendable {
    package var id: UserID
    package var username: String
    package var displayName: String
    package var createdAt: UnixMilliseconds

    package init(id: UserID, username: String, displayName: String, createdAt: UnixMilliseconds) {
        self.id = id
        self.username = username
        self.displayName = displayName
        self.createdAt = createdAt
    }
}
