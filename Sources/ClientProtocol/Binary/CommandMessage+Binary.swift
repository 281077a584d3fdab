// SPDX-License-Identifier: Apache-2.0

internal import Fields
internal import Messaging
package import NIOCore

extension CommandMessage {
    /// The command as a binary message with one message in it. Its id must be a number: there is no other in this protocol.
    package func encodedBinary() -> ByteBuffer {
        var writer = FieldWriter()
        writer.message(type: self.command.name.binaryType, id: self.id) { self.command.write(into: &$0) }
        return writer.buffer
    }

    /// Reads a command and checks its fields, as ``init(json:)`` does.
    ///
    /// - Throws: with `malformed`, `unknown_type`, `missing_field`, `invalid_field` or `too_large`.
    package init(_ message: BinaryMessage) throws(RejectedCommand) {
        let name = ClientCommand.Name(binaryType: message.type)
        var id: CommandID?
        do throws(Failure) {
            let layout = name.map { BinaryLayout.command($0) } ?? .unknown
            let read: UInt64
            do throws(FieldError) {
                read = try message.commandID().required(1)
                id = .number(read)
            } catch {
                throw Failure(reading: error, of: layout)
            }
            guard let name else {
                let known = ClientCommand.Name.allCases.map { "\($0.binaryType) (\($0.rawValue))" }
                throw Failure(.unknownType, "The type must be one of \(known.joined(separator: ", ")).")
            }
            let command: ClientCommand
            do throws(FieldError) {
                command = try ClientCommand(name, FieldReader(message.fields))
            } catch {
                throw Failure(reading: error, of: layout)
            }
            try command.validate()
            self.init(id: .number(read), command: command)
        } catch {
            throw RejectedCommand(id: id, name: name, failure: error)
        }
    }
}

extension BinaryLayout {
    /// Of a message whose type is not known: all have an id.
    fileprivate static let unknown = BinaryLayout("the command", [.optional(1, "id", .number)])
}

extension ClientCommand {
    fileprivate func write(into writer: inout FieldWriter) {
        switch self {
        case .authenticate(let fields):
            writer.text(2, fields.token)
            writer.identifier(3, fields.deviceID)
            writer.flag(4, fields.sync == true)
        case .sendMessage(let fields):
            writer.identifier(2, fields.conversationID)
            writer.identifier(3, fields.clientMessageID)
            writer.choice(4, fields.kind)
            writer.text(5, fields.body)
        case .messageDelivered(let fields), .messageRead(let fields):
            writer.identifier(2, fields.conversationID)
            writer.integer(3, fields.seq)
        case .sync(let fields): fields.write(into: &writer)
        case .watchPresence(let fields): writer.identifiers(2, fields.conversationIDs)
        case .setStatus(let fields):
            writer.optional(2, fields.status?.rawValue)
            writer.optional(3, fields.visibleTo?.rawValue)
        case .setTyping(let fields):
            writer.identifier(2, fields.conversationID)
            writer.optional(3, fields.isTyping ? 1 : 0)
        case .ping: break
        }
    }

    fileprivate init(_ name: Name, _ reader: FieldReader) throws(FieldError) {
        var reader = reader
        switch name {
        case .authenticate: self = .authenticate(try Authenticate(from: &reader))
        case .sendMessage: self = .sendMessage(try SendMessageRequest(from: &reader))
        case .messageDelivered: self = .messageDelivered(try ReceiptRequest(from: &reader))
        case .messageRead: self = .messageRead(try ReceiptRequest(from: &reader))
        case .sync: self = .sync(try SyncRequest(from: &reader))
        case .watchPresence:
            var conversations: [ConversationID] = []
            while let field = try reader.next() {
                if field.number == 2 { conversations = try field.ids(atMost: Limits.watchedConversationsMax) }
            }
            self = .watchPresence(WatchPresence(conversationIDs: conversations))
        case .setStatus:
            var fields = SetStatus()
            while let field = try reader.next() {
                switch field.number {
                case 2: fields.status = try field.choice()
                case 3: fields.visibleTo = try field.choice()
                default: break
                }
            }
            self = .setStatus(fields)
        case .setTyping:
            var conversation: ConversationID?
            var isTyping = true
            while let field = try reader.next() {
                switch field.number {
                case 2: conversation = try field.identifier()
                case 3: isTyping = try field.flag()
                default: break
                }
            }
            self = .setTyping(SetTyping(conversationID: try conversation.required(2), isTyping: isTyping))
        case .ping:
            while try reader.next() != nil {}
            self = .ping
        }
    }

    /// What the types of the fields cannot check.
    fileprivate func validate() throws(Failure) {
        switch self {
        case .sendMessage(let fields): try fields.validate()
        case .watchPresence(let fields): try fields.validate()
        case .setStatus(let fields): try fields.validate()
        case .authenticate, .messageDelivered, .messageRead, .sync, .setTyping, .ping: break
        }
    }
}

extension ClientCommand.Authenticate {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var token: String?
        var device: DeviceID?
        var sync = false
        while let field = try reader.next() {
            switch field.number {
            case 2: token = try field.anyText()
            case 3: device = try field.identifier()
            case 4: sync = try field.flag()
            default: break
            }
        }
        self.init(token: try token.required(2), deviceID: try device.required(3), sync: sync)
    }
}

extension SendMessageRequest {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var clientMessage: ClientMessageID?
        var kind: MessageKind?
        var body = ""
        while let field = try reader.next() {
            switch field.number {
            case 2: conversation = try field.identifier()
            case 3: clientMessage = try field.identifier()
            case 4: kind = try field.choice()
            case 5: body = try field.anyText(atMost: Limits.messageBodyBytesMax)
            default: break
            }
        }
        self.init(
            conversationID: try conversation.required(2),
            clientMessageID: try clientMessage.required(3),
            kind: try kind.required(4),
            body: body
        )
    }
}

extension ReceiptRequest {
    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        var conversation: ConversationID?
        var seq: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 2: conversation = try field.identifier()
            case 3:
                let number = try field.number64()
                guard Self.seqs.contains(number) else { throw .invalidValue(field: 3) }
                seq = number
            default: break
            }
        }
        self.init(conversationID: try conversation.required(2), seq: try seq.required(3))
    }
}

extension SyncRequest {
    private struct Cursor: BinaryFields {
        /// With the tag and length before it, for a device that has messages of the conversation.
        static let bytesMin = 22

        var conversation: ConversationID
        var seq: UInt64
        var state: UInt64?

        init(conversation: ConversationID, seq: UInt64, state: UInt64?) {
            self.conversation = conversation
            self.seq = seq
            self.state = state
        }

        func write(into writer: inout FieldWriter) {
            writer.identifier(1, self.conversation)
            writer.integer(2, self.seq)
            writer.optional(3, self.state)
        }

        init(from reader: inout FieldReader) throws(FieldError) {
            var conversation: ConversationID?
            var seq: UInt64 = 0
            var state: UInt64?
            while let field = try reader.next() {
                switch field.number {
                case 1: conversation = try field.identifier()
                case 2: seq = try Self.number(field)
                case 3: state = try Self.number(field)
                default: break
                }
            }
            self.init(conversation: try conversation.required(1), seq: seq, state: state)
        }

        private static func number(_ field: FieldReader.Field) throws(FieldError) -> UInt64 {
            let number = try field.number64()
            guard number <= UInt64(Int64.max) else { throw .invalidValue(field: field.number) }
            return number
        }
    }

    fileprivate func write(into writer: inout FieldWriter) {
        for (conversation, seq) in self.cursors.sorted(by: { $0.key < $1.key }) {
            let cursor = Cursor(conversation: conversation, seq: seq, state: self.states[conversation])
            writer.nested(2) { cursor.write(into: &$0) }
        }
        writer.flag(3, self.wantsReceipts)
        writer.optional(4, self.resume)
        writer.flag(5, self.hasMore)
    }

    fileprivate init(from reader: inout FieldReader) throws(FieldError) {
        self.init(cursors: [:])
        self.cursors.reserveCapacity(min(Self.cursorsMax, reader.readableBytes / Cursor.bytesMin))
        while let field = try reader.next() {
            switch field.number {
            case 2:
                let cursor: Cursor = try field.group()
                guard self.cursors.count < Self.cursorsMax || self.cursors[cursor.conversation] != nil else {
                    throw .tooMany(field: 2)
                }
                self.cursors[cursor.conversation] = cursor.seq
                if cursor.state != nil || !self.states.isEmpty {
                    self.states[cursor.conversation] = cursor.state
                }
            case 3: self.wantsReceipts = try field.flag()
            case 4: self.resume = try field.anyText(atMost: Self.resumeBytesMax)
            case 5: self.hasMore = try field.flag()
            default: break
            }
        }
    }
}
