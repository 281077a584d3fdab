// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging

/// A user's choices are changed: request to the owner of the user's slot, answered with ``PresenceProfileBody``.
package struct SetPresence: WireMessage, Equatable {
    package var user: UserID
    package var status: ChosenStatus?
    package var visibility: PresenceVisibility?

    package init(user: UserID, status: ChosenStatus?, visibility: PresenceVisibility?) {
        self.user = user
        self.status = status
        self.visibility = visibility
    }

    package func encode(into writer: inout FieldWriter) {
        writer.identifier(1, self.user)
        writer.integer(2, self.status?.rawValue ?? 0)
        writer.integer(3, self.visibility?.rawValue ?? 0)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var status: ChosenStatus?
        var visibility: PresenceVisibility?
        while let field = try reader.next() {
            switch field.number {
            case 1: user = try field.identifier()
            case 2: status = try field.value()
            case 3: visibility = try field.value()
            default: break
            }
        }
        guard let user else { throw .missing(field: 1) }
        self.init(user: user, status: status, visibility: visibility)
    }
}

/// The answer to ``SetPresence``: what is stored now.
package struct PresenceProfileBody: WireMessage, Equatable {
    package var value: PresenceProfile

    package init(_ value: PresenceProfile) {
        self.value = value
    }

    package func encode(into writer: inout FieldWriter) {
        writer.integer(1, self.value.settings.status.rawValue)
        writer.integer(2, self.value.settings.visibility.rawValue)
        writer.integer(3, self.value.lastSeenAt ?? 0)
    }

    package init(from reader: inout FieldReader) throws(FieldError) {
        var value = PresenceProfile()
        while let field = try reader.next() {
            switch field.number {
            case 1: value.settings.status = try field.value()
            case 2: value.settings.visibility = try field.value()
            case 3:
                let time: UnixMilliseconds = try field.integer()
                value.lastSeenAt = time == 0 ? nil : time
            default: break
            }
        }
        self.value = value
    }
}
