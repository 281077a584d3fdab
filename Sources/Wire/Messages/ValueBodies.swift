// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// A ``Member`` on the mesh.
package struct MemberBody: WireMessage, Equatable {
    package var value: Member

    package init(_ value: Member) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.user)
        writer.integer(2, self.value.role.rawValue)
        writer.integer(3, self.value.joinedSeq)
        writer.integer(4, self.value.watermarks.read)
        // Left out where it says no more than field 4.
        if self.value.watermarks.delivered > self.value.watermarks.read {
            writer.integer(5, self.value.watermarks.delivered)
        }
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var role: MemberRole?
        var joinedSeq: UInt64 = 0
        var readSeq: UInt64 = 0
        var deliveredSeq: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: role = try field.value()
            case 3: joinedSeq = try field.integer()
            case 4: readSeq = try field.integer()
            case 5: deliveredSeq = try field.integer()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        guard let role else { throw .missing(field: 2) }
        self.value = Member(
            user: user,
            role: role,
            joinedSeq: joinedSeq,
            watermarks: Watermarks(delivered: deliveredSeq, read: readSeq)
        )
    }
}

/// A ``Conversation`` on the mesh.
package struct ConversationBody: WireMessage, Equatable {
    package var value: Conversation

    package init(_ value: Conversation) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.id)
        writer.integer(2, self.value.kind.rawValue)
        writer.text(3, self.value.title)
        writer.identifier(4, self.value.createdBy)
        writer.integer(5, self.value.createdAt)
        writer.integer(6, self.value.headSeq)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var id: ConversationID?
        var kind: ConversationKind?
        var title = ""
        var createdBy: UserID?
        var createdAt: UnixMilliseconds = 0
        var headSeq: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.identifier()
            case 2: kind = try field.value()
            case 3: title = try field.text()
            case 4: createdBy = try field.identifier()
            case 5: createdAt = try field.integer()
            case 6: headSeq = try field.integer()
            default: break
            }
        }
        guard let id else { throw .missing(field: 1) }
        guard let kind else { throw .missing(field: 2) }
        guard let createdBy else { throw .missing(field: 4) }
        self.value = Conversation(
            id: id,
            kind: kind,
            title: title,
            createdBy: createdBy,
            createdAt: createdAt,
            headSeq: headSeq
        )
    }
}

/// A ``UserProfile`` on the mesh.
package struct UserProfileBody: WireMessage, Equatable {
    package var value: UserProfile

    package init(_ value: UserProfile) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.value.id)
        writer.text(2, self.value.username)
        writer.text(3, self.value.displayName)
        writer.integer(4, self.value.createdAt)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var id: UserID?
        var username = ""
        var displayName = ""
        var createdAt: UnixMilliseconds = 0
        while let field = try reader.next() {
            switch field.number {
            case 1: id = try field.identifier()
            case 2: username = try field.text()
            case 3: displayName = try field.text()
            case 4: createdAt = try field.integer()
            default: break
            }
        }
        guard let id else { throw .missing(field: 1) }
        self.value = UserProfile(
            id: id,
            username: username,
            displayName: displayName,
            createdAt: createdAt
        )
    }
}
