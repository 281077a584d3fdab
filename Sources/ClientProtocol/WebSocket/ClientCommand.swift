// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// What a client may ask for over a WebSocket.
package enum ClientCommand: Hashable, Sendable {
    case authenticate(Authenticate)
    case sendMessage(SendMessageRequest)
    case messageDelivered(ReceiptRequest)
    case messageRead(ReceiptRequest)
    case sync(SyncRequest)
    case watchPresence(WatchPresence)
    case setStatus(SetStatus)
    case setTyping(SetTyping)
    case ping

    /// The fields of `authenticate`.
    package struct Authenticate: Codable, Hashable, Sendable {
        package var token: String
        package var deviceID: DeviceID
        /// Present, and then true, when live events are to wait until the session was brought up to date by `sync`.
        package var sync: Bool?

        package init(token: String, deviceID: DeviceID, sync: Bool = false) {
            self.token = token
            self.deviceID = deviceID
            self.sync = sync ? true : nil
        }

        private enum CodingKeys: String, CodingKey {
            case token
            case deviceID = "device_id"
            case sync
        }
    }

    package enum Name: String, Sendable, CaseIterable {
        case authenticate
        case sendMessage = "send_message"
        case messageDelivered = "message_delivered"
        case messageRead = "message_read"
        case sync
        case watchPresence = "watch_presence"
        case setStatus = "set_status"
        case setTyping = "set_typing"
        case ping
    }

    package var name: Name {
        switch self {
        case .authenticate: .authenticate
        case .sendMessage: .sendMessage
        case .messageDelivered: .messageDelivered
        case .messageRead: .messageRead
        case .sync: .sync
        case .watchPresence: .watchPresence
        case .setStatus: .setStatus
        case .setTyping: .setTyping
        case .ping: .ping
        }
    }
}

/// One text message of a client: `{"id": …, "type": …, and the fields of the command}`.
package struct CommandMessage: Hashable, Sendable {
    package var id: CommandID
    package var command: ClientCommand

    package init(id: CommandID, command: ClientCommand) {
        self.id = id
        self.command = command
    }
}

/// A text message that is no command, with as much of it as could be read.
package struct RejectedCommand: Error, Hashable, Sendable {
    package var id: CommandID?
    package var name: ClientCommand.Name?
    package var failure: Failure

    package init(id: CommandID?, name: ClientCommand.Name?, failure: Failure) {
        self.id = id
        self.name = name
        self.failure = failure
    }
}

extension CommandMessage {
    /// Reads a command and checks its fields. The bytes have to be UTF-8.
    ///
    /// - Throws: with `malformed`, `unknown_type`, `missing_field`, `invalid_field` or `too_large`.
    package init(json: some Collection<UInt8>) throws(RejectedCommand) {
        if let message = CommandScanner.scan(json) {
            self = message
            return
        }
        switch SyncScanner.scan(json) {
        case .notSync: break
        case .sync(let id, let request):
            self.init(id: id, command: .sync(request))
            return
        case .rejected(let rejected): throw rejected
        }
        self = try Self.decoded(json)
    }

    /// Reads any command but `sync`, with the general decoder.
    static func decoded(_ json: some Collection<UInt8>) throws(RejectedCommand) -> Self {
        let decoded: DecodedCommand
        do {
            decoded = try JSONBody.decode(DecodedCommand.self, from: json)
        } catch {
            throw RejectedCommand(id: nil, name: nil, failure: error)
        }
        return try decoded.result.get()
    }

    /// The command as the bytes of a text message.
    package func encoded() -> [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            switch self.id {
            case .text(let text): object.string("id", text)
            case .number(let number): object.integer("id", number)
            }
            object.literal("type", self.command.name.rawValue)
            switch self.command {
            case .authenticate(let fields):
                object.string("token", fields.token)
                object.identifier("device_id", fields.deviceID)
                if fields.sync == true { object.flag("sync", true) }
            case .sendMessage(let fields):
                object.identifier("conversation_id", fields.conversationID)
                object.identifier("client_message_id", fields.clientMessageID)
                object.literal("kind", fields.kind.name)
                object.string("body", fields.body)
            case .messageDelivered(let fields), .messageRead(let fields):
                object.identifier("conversation_id", fields.conversationID)
                object.integer("seq", fields.seq)
            case .sync(let fields): fields.write(into: &object)
            case .watchPresence(let fields): fields.write(into: &object)
            case .setStatus(let fields): fields.write(into: &object)
            case .setTyping(let fields): fields.write(into: &object)
            case .ping:
                break
            }
        }
        return writer.bytes
    }
}

/// Reads the id first and keeps it, so that the error about another field can carry it.
private struct DecodedCommand: Decodable {
    let result: Result<CommandMessage, RejectedCommand>

    private enum CodingKeys: String, CodingKey {
        case id
        case type
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        var id: CommandID?
        var name: ClientCommand.Name?
        do {
            let read = try container.decode(CommandID.self, forKey: .id)
            id = read
            let type = try container.decode(String.self, forKey: .type)
            guard let known = ClientCommand.Name(rawValue: type) else {
                let names = ClientCommand.Name.allCases.map(\.rawValue).joined(separator: ", ")
                throw Failure(.unknownType, "The field `type` must be one of \(names).")
            }
            name = known
            let command: ClientCommand
            switch known {
            case .authenticate:
                command = .authenticate(try ClientCommand.Authenticate(from: decoder))
            case .sendMessage:
                let request = try SendMessageRequest(from: decoder)
                try request.validate()
                command = .sendMessage(request)
            case .messageDelivered:
                command = .messageDelivered(try ReceiptRequest(from: decoder))
            case .messageRead:
                command = .messageRead(try ReceiptRequest(from: decoder))
            case .sync:
                throw Failure(.invalidField, "The field `type` of a `sync` must stand before its other fields.")
            case .watchPresence:
                let fields = try ClientCommand.WatchPresence(from: decoder)
                try fields.validate()
                command = .watchPresence(fields)
            case .setStatus:
                let fields = try ClientCommand.SetStatus(from: decoder)
                try fields.validate()
                command = .setStatus(fields)
            case .setTyping:
                command = .setTyping(try ClientCommand.SetTyping(from: decoder))
            case .ping:
                command = .ping
            }
            self.result = .success(CommandMessage(id: read, command: command))
        } catch {
            let failure = error as? Failure ?? Failure(decoding: error)
            self.result = .failure(RejectedCommand(id: id, name: name, failure: failure))
        }
    }
}
