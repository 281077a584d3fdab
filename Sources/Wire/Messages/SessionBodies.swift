// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// Edge → every router: these users now have a session on the edge, or have lost their last one there.
/// Sent after the registry was written and before the session is told that it is authenticated (design: audience).
///
/// It also says whether the registry knows every session of the edge. The marker in Redis alone does not tell: an edge
/// that could not reach Redis could not take its marker away either.
package struct Attachment: WireMessage, Equatable {
    package var attached: [UserID]
    package var detached: [UserID]
    /// Absent in what an older edge sends, which is taken for "no".
    package var isRegistered: Bool
    /// The edge understands ``AudienceUpdate``. Absent in what an older edge sends, which is taken for "no".
    package var takesAudiences: Bool
    /// The edge understands ``Relayed``. Absent in what an older edge sends, which is taken for "no".
    package var takesRelayed: Bool
    /// The life of the Redis (`run_id`) whose registry knows the sessions: another one may lack some. Empty when that is
    /// not known, and absent in what an older edge sends.
    package var registry: String

    package init(
        attached: [UserID],
        detached: [UserID],
        isRegistered: Bool,
        takesAudiences: Bool = true,
        takesRelayed: Bool = true,
        registry: String = ""
    ) {
        self.attached = attached
        self.detached = detached
        self.isRegistered = isRegistered
        self.takesAudiences = takesAudiences
        self.takesRelayed = takesRelayed
        self.registry = registry.utf8.count <= Self.registryBytesMax ? registry : ""
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifiers(1, self.attached)
        writer.identifiers(2, self.detached)
        writer.flag(3, self.isRegistered)
        writer.flag(4, self.takesAudiences)
        writer.flag(5, self.takesRelayed)
        writer.text(6, self.registry)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var attached: [UserID] = []
        var detached: [UserID] = []
        var isRegistered = false
        var takesAudiences = false
        var takesRelayed = false
        var registry = ""
        while let field = try reader.next() {
            switch field.number {
            case 1: attached = try field.identifiers(atMost: Attachment.usersMax)
            case 2: detached = try field.identifiers(atMost: Attachment.usersMax)
            case 3: isRegistered = try field.flag()
            case 4: takesAudiences = try field.flag()
            case 5: takesRelayed = try field.flag()
            case 6: registry = try field.anyText(atMost: Attachment.registryBytesMax)
            default: break
            }
        }
        self.init(
            attached: attached,
            detached: detached,
            isRegistered: isRegistered,
            takesAudiences: takesAudiences,
            takesRelayed: takesRelayed,
            registry: registry
        )
    }
}

/// Edge → router: it was sent something for users who have no session there, or for an audience that it does not have;
/// the router looks them up again.
package struct SessionUnknown: WireMessage, Equatable {
    package static let conversationsMax = 1000

    package var users: [UserID]
    /// Those of the audiences.
    package var conversations: [ConversationID]

    package init(users: [UserID], conversations: [ConversationID] = []) {
        self.users = users
        self.conversations = conversations
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifiers(1, self.users)
        writer.identifiers(2, self.conversations)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var users: [UserID] = []
        var conversations: [ConversationID] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: users = try field.identifiers(atMost: Limits.usersPerFrameMax)
            case 2: conversations = try field.identifiers(atMost: Self.conversationsMax)
            default: break
            }
        }
        self.init(users: users, conversations: conversations)
    }
}

/// Router → edge: answer when nothing that came before over this link can reach these users any more.
package struct SettleDeliveries: WireMessage, Equatable {
    package var users: [UserID]
    /// What they were put out of; nil from a router of an earlier version.
    package var conversation: ConversationID?
    /// The last message that they may have had; of no meaning without a conversation.
    package var through: UInt64

    package init(users: [UserID], conversation: ConversationID?, through: UInt64) {
        self.users = users
        self.conversation = conversation
        self.through = through
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifiers(1, self.users)
        if let conversation = self.conversation {
            writer.identifier(2, conversation)
            writer.integer(3, self.through)
        }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var users: [UserID] = []
        var conversation: ConversationID?
        var through: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: users = try field.identifiers(atMost: Limits.usersPerFrameMax)
            case 2: conversation = try field.identifier()
            case 3: through = try field.integer()
            default: break
            }
        }
        self.init(users: users, conversation: conversation, through: conversation == nil ? 0 : through)
    }
}

/// Edge → any router → the other edge: the device has a newer session elsewhere, close this one.
package struct DisplaceSession: WireMessage, Equatable {
    package var edge: String
    /// The life of the edge that had the session; another life has nothing to close.
    package var incarnation: Incarnation
    package var user: UserID
    package var device: DeviceID
    package var session: SessionID

    package init(edge: String, incarnation: Incarnation, user: UserID, device: DeviceID, session: SessionID) {
        self.edge = edge
        self.incarnation = incarnation
        self.user = user
        self.device = device
        self.session = session
    }

    package func encode(into writer: inout FieldWriter) {
        writer.text(1, self.edge)
        writer.identifier(2, self.incarnation)
        writer.identifier(3, self.user)
        writer.identifier(4, self.device)
        writer.identifier(5, self.session)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var edge = ""
        var incarnation: Incarnation?
        var user: UserID?
        var device: DeviceID?
        var session: SessionID?
        while let field = try reader.next() {
            switch field.number {
            case 1: edge = try field.text()
            case 2: incarnation = try field.identifier()
            case 3: user = try field.identifier()
            case 4: device = try field.identifier()
            case 5: session = try field.identifier()
            default: break
            }
        }
        guard let incarnation else { throw .missing(field: 2) }
        guard let user else { throw .missing(field: 3) }
        guard let device else { throw .missing(field: 4) }
        guard let session else { throw .missing(field: 5) }
        self.init(edge: edge, incarnation: incarnation, user: user, device: device, session: session)
    }
}

extension Attachment {
    /// Users of one announcement; more go into the next.
    package static let usersMax = 1024
    /// UTF-8 bytes of the name of a life of Redis, which has 40; an edge does not tell a longer one.
    package static let registryBytesMax = 128
}
