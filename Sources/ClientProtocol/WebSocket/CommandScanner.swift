// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// Reads `send_message`, `message_delivered` and `message_read`, nearly all of what clients send, straight from their
/// bytes: a tenth of what the general decoder takes.
///
/// It takes only what is right beyond doubt, and never refuses. A field that is unknown, twice there or of the wrong
/// type, a name with escapes: all of that is left to the general decoder, which can say what is wrong.
struct CommandScanner {
    private enum Name {
        case sendMessage
        case messageDelivered
        case messageRead
    }

    private var json: JSONScanner
    private var id: CommandID?
    private var name: Name?
    private var conversation: ConversationID?
    private var clientMessage: ClientMessageID?
    private var kind: MessageKind?
    private var body: String?
    private var seq: UInt64?

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.json = JSONScanner(bytes)
    }

    /// The bytes have to be UTF-8. Returns nil for what is to be read by the general decoder.
    static func scan(_ json: some Collection<UInt8>) -> CommandMessage? {
        let found = json.withContiguousStorageIfAvailable { buffer -> CommandMessage? in
            var scanner = Self(UnsafeRawBufferPointer(buffer))
            guard (try? scanner.takeFields()) == true, scanner.json.isAtEnd else { return nil }
            return scanner.message
        }
        return found ?? nil
    }

    /// Whether all fields were taken.
    private mutating func takeFields() throws(Failure) -> Bool {
        self.json.skipBlanks()
        guard self.json.take("{") else { return false }
        repeat {
            self.json.skipBlanks()
            guard try self.takeField() else { return false }
            self.json.skipBlanks()
        } while self.json.take(",")
        guard self.json.take("}") else { return false }
        self.json.skipBlanks()
        return true
    }

    private mutating func takeField() throws(Failure) -> Bool {
        if try self.takeName("\"id\"") {
            guard self.id == nil else { return false }
            self.id = try self.commandID()
            return self.id != nil
        }
        if try self.takeName("\"type\"") {
            guard self.name == nil else { return false }
            self.name = self.commandName()
            return self.name != nil
        }
        if try self.takeName("\"conversation_id\"") {
            guard self.conversation == nil else { return false }
            self.conversation = self.json.identifier()
            return self.conversation != nil
        }
        if try self.takeName("\"client_message_id\"") {
            guard self.clientMessage == nil else { return false }
            self.clientMessage = self.json.identifier()
            return self.clientMessage != nil
        }
        if try self.takeName("\"kind\"") {
            guard self.kind == nil else { return false }
            self.kind = MessageKind(name: try self.json.string())
            return self.kind != nil
        }
        if try self.takeName("\"body\"") {
            guard self.body == nil else { return false }
            self.body = try self.json.string()
            return true
        }
        if try self.takeName("\"seq\"") {
            guard self.seq == nil else { return false }
            self.seq = self.json.integer()
            return self.seq.map(ReceiptRequest.seqs.contains) == true
        }
        return false
    }

    /// The name of a field and what stands between it and its value.
    private mutating func takeName(_ quoted: StaticString) throws(Failure) -> Bool {
        guard self.json.takeWord(quoted) else { return false }
        self.json.skipBlanks()
        try self.json.expect(":")
        self.json.skipBlanks()
        return true
    }

    private mutating func commandID() throws(Failure) -> CommandID? {
        guard self.json.current == UInt8(ascii: "\"") else { return self.json.integer().map { .number($0) } }
        let text = try self.json.string()
        return (1...CommandID.textBytesMax).contains(text.utf8.count) ? .text(text) : nil
    }

    private mutating func commandName() -> Name? {
        if self.json.takeWord("\"send_message\"") { return .sendMessage }
        if self.json.takeWord("\"message_delivered\"") { return .messageDelivered }
        if self.json.takeWord("\"message_read\"") { return .messageRead }
        return nil
    }

    private var message: CommandMessage? {
        guard let id = self.id, let name = self.name, let conversation = self.conversation else { return nil }
        switch name {
        case .sendMessage:
            guard let clientMessage = self.clientMessage, let kind = self.kind, let body = self.body, self.seq == nil
            else { return nil }
            let request = SendMessageRequest(
                conversationID: conversation,
                clientMessageID: clientMessage,
                kind: kind,
                body: body
            )
            guard (try? request.validate()) != nil else { return nil }
            return CommandMessage(id: id, command: .sendMessage(request))
        case .messageDelivered, .messageRead:
            guard let seq = self.seq, self.clientMessage == nil, self.kind == nil, self.body == nil else { return nil }
            let request = ReceiptRequest(conversationID: conversation, seq: seq)
            return CommandMessage(
                id: id,
                command: name == .messageRead ? .messageRead(request) : .messageDelivered(request)
            )
        }
    }
}
