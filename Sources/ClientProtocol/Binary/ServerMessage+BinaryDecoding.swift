// SPDX-License-Identifier: Apache-2.0

internal import Fields
package import Messaging
package import NIOCore

extension ServerMessage {
    /// Reads what an edge sent in one binary message. Types that this version does not know are passed over.
    ///
    /// - Throws: `malformed`, `missing_field` or `invalid_field`: the edge is at fault.
    package static func decode(binary payload: ByteBuffer) throws(Failure) -> [ServerMessage] {
        var messages: [ServerMessage] = []
        var rest = BinaryMessages(payload)
        while let message = try rest.next() {
            guard let known = try Self.decode(message) else { continue }
            messages.append(known)
        }
        return messages
    }

    /// Nil for a type that this version does not know.
    package static func decode(_ message: BinaryMessage) throws(Failure) -> ServerMessage? {
        guard let name = Name(binaryType: message.type) else { return nil }
        do throws(FieldError) {
            if let answer = try Self.answer(name, message) { return answer }
            return try Self.event(name, FieldReader(message.fields))
        } catch {
            throw Failure(reading: error, of: .message(name))
        }
    }

    private static func answer(_ name: Name, _ message: BinaryMessage) throws(FieldError) -> ServerMessage? {
        func id() throws(FieldError) -> CommandID { .number(try message.commandID().required(1)) }
        var reader = FieldReader(message.fields)
        switch name {
        case .authenticated: return .authenticated(try id(), try Authenticated(from: &reader))
        case .messageSent: return .messageSent(try id(), try MessageSent(from: &reader))
        case .receiptStored: return .receiptStored(try id(), try ReceiptStored(from: &reader))
        case .pong:
            var resume: String?
            while let field = try reader.next() {
                if field.number == 2 { resume = try field.anyText() }
            }
            return .pong(try id(), resume: resume)
        case .synced: return .synced(try id(), try Synced(from: &reader))
        case .presenceWatched:
            var users: [PresenceBody] = []
            while let field = try reader.next() {
                if field.number == 2 { users.append(try field.group()) }
            }
            return .presenceWatched(try id(), users)
        case .statusSet: return .statusSet(try id(), try StatusBody(from: &reader))
        case .error:
            return .error(try message.commandID().map { .number($0) }, try Failure(from: &reader))
        case .newMessage, .syncMessages, .syncReceipts, .conversationCreated, .conversationUpdated,
            .conversationDeleted, .memberAdded, .memberRemoved, .roleChanged, .messageDelivered, .messageRead,
            .userOnline, .userOffline, .typing, .resync, .reconnect:
            return nil
        }
    }

    private static func event(_ name: Name, _ fields: FieldReader) throws(FieldError) -> ServerMessage? {
        var reader = fields
        switch name {
        case .newMessage: return .newMessage(try DeliveredMessage(from: &reader))
        case .syncMessages: return .syncMessages(try SyncMessages(from: &reader))
        case .syncReceipts: return .syncReceipts(try SyncReceipts(from: &reader))
        case .conversationCreated:
            let event = try ConversationEventFields(from: &reader)
            return .conversationCreated(event.response, actor: event.actor)
        case .conversationUpdated:
            let event = try ConversationEventFields(from: &reader)
            return .conversationUpdated(event.header, actor: event.actor)
        case .conversationDeleted:
            var conversation: ConversationID?
            var actor: UserID?
            while let field = try reader.next() {
                switch field.number {
                case 1: conversation = try field.identifier()
                case 2: actor = try field.identifier()
                default: break
                }
            }
            return .conversationDeleted(try conversation.required(1), actor: try actor.required(2))
        case .memberAdded: return .memberAdded(try MembershipEvent(from: &reader))
        case .memberRemoved: return .memberRemoved(try MembershipEvent(from: &reader))
        case .roleChanged: return .roleChanged(try MembershipEvent(from: &reader))
        case .messageDelivered: return .messageDelivered(try ReceiptEvent(from: &reader))
        case .messageRead: return .messageRead(try ReceiptEvent(from: &reader))
        case .userOnline:
            let shown = try PresenceBody(from: &reader)
            return .userOnline(UserOnline(userID: shown.userID, status: shown.status))
        case .userOffline: return .userOffline(try UserOffline(from: &reader))
        case .typing: return .typing(try TypingEvent(from: &reader))
        case .resync:
            while try reader.next() != nil {}
            return .resync
        case .reconnect: return .reconnect(try Reconnect(from: &reader))
        case .authenticated, .messageSent, .receiptStored, .pong, .synced, .presenceWatched, .statusSet, .error:
            return nil
        }
    }
}

// MARK: - Answers

extension Authenticated {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var user: UserID?
        var device: DeviceID?
        var session: SessionID?
        var heartbeat = 0
        var limits = Bounds(bodyBytes: 0, frameBytes: 0, inFlight: 0)
        while let field = try reader.next() {
            switch field.number {
            case 2: user = try field.identifier()
            case 3: device = try field.identifier()
            case 4: session = try field.identifier()
            case 5: heartbeat = try field.integer()
            case 6: limits.bodyBytes = try field.integer()
            case 7: limits.frameBytes = try field.integer()
            case 8: limits.inFlight = try field.integer()
            default: break
            }
        }
        self.init(
            userID: try user.required(2),
            deviceID: try device.required(3),
            sessionID: try session.required(4),
            heartbeatMilliseconds: heartbeat,
            limits: limits
        )
    }
}

extension MessageSent {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var clientMessage: ClientMessageID?
        var seq: UInt64 = 0
        var createdAt = Timestamp(0)
        var isDuplicate = false
        while let field = try reader.next() {
            switch field.number {
            case 2: conversation = try field.identifier()
            case 3: clientMessage = try field.identifier()
            case 4: seq = try field.number64()
            case 5: createdAt = try field.time()
            case 6: isDuplicate = try field.flag()
            default: break
            }
        }
        guard seq > 0 else { throw .missing(field: 4) }
        self.init(
            conversationID: try conversation.required(2),
            clientMessageID: try clientMessage.required(3),
            seq: seq,
            createdAt: createdAt,
            isDuplicate: isDuplicate
        )
    }
}

extension ReceiptStored {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var delivered: UInt64 = 0
        var read: UInt64 = 0
        while let field = try reader.next() {
            switch field.number {
            case 2: conversation = try field.identifier()
            case 3: delivered = try field.number64()
            case 4: read = try field.number64()
            default: break
            }
        }
        self.init(conversationID: try conversation.required(2), watermarks: .zero)
        self.deliveredSeq = delivered
        self.readSeq = read
    }
}

extension Synced {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        self.init(changed: 0, isFull: false)
        while let field = try reader.next() {
            switch field.number {
            case 2: self.changed = try field.integer()
            case 3: self.tooFar.append(try field.group())
            case 4: self.removed = try field.ids()
            case 5: self.updated = try field.ids()
            case 6: self.unavailable = try field.ids()
            case 7: self.receiptsLeftOut = try field.ids()
            case 8: self.isFull = try field.flag()
            case 9: self.resume = try field.anyText()
            default: break
            }
        }
    }
}

extension StatusBody {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var status: ChosenStatus?
        var visibleTo: PresenceVisibility?
        while let field = try reader.next() {
            switch field.number {
            case 2: status = try field.choice()
            case 3: visibleTo = try field.choice()
            default: break
            }
        }
        self.init(status: try status.required(2), visibleTo: try visibleTo.required(3))
    }
}

extension Failure {
    /// A code of a later version is read as `internal`.
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var code: ErrorCode?
        var message = ""
        var retryAfter: UInt32?
        while let field = try reader.next() {
            switch field.number {
            case 2:
                let number = try field.number64()
                code = UInt16(exactly: number).flatMap(ErrorCode.init(rawValue:)) ?? .internal
            case 3: message = try field.anyText()
            case 4: retryAfter = try field.integer()
            default: break
            }
        }
        self.init(try code.required(2), message, retryAfterMilliseconds: retryAfter)
    }
}
