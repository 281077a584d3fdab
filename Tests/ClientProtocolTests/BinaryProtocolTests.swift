// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import ClientProtocol

@Suite("The binary protocol")
struct BinaryProtocolTests {
    /// The samples with the ids that this protocol has.
    static let messages = Samples.serverMessages.enumerated().map { $1.numbered(UInt64($0)) }
    static let commands = Samples.commands.enumerated().map { CommandMessage(id: .number(UInt64($0)), command: $1) }

    @Test("What an edge says goes from JSON to binary and back and is the same", arguments: Self.messages)
    func everyMessage(message: ServerMessage) throws {
        let fromJSON = try #require(try ServerMessage.decode(json: message.encoded()))
        #expect(try ServerMessage.decode(binary: fromJSON.encodedBinary()) == [message])
        let fromBinary = try #require(try ServerMessage.decode(binary: message.encodedBinary()).first)
        #expect(fromBinary.encoded() == message.encoded())
    }

    @Test("So does every command", arguments: Self.commands)
    func everyCommand(message: CommandMessage) throws {
        let fromJSON = try CommandMessage(json: message.encoded())
        #expect(try CommandMessage.read(fromJSON.encodedBinary()) == [message])
        let fromBinary = try #require(try CommandMessage.read(message.encodedBinary()).first)
        #expect(try CommandMessage(json: fromBinary.encoded()) == message)
    }

    @Test("There is a type for every kind, none twice, in the range that says what it is")
    func types() {
        for name in ClientCommand.Name.allCases {
            #expect((1..<64).contains(name.binaryType) && ClientCommand.Name(binaryType: name.binaryType) == name)
        }
        for name in ServerMessage.Name.allCases {
            #expect(name.binaryType >= 64 && ServerMessage.Name(binaryType: name.binaryType) == name)
        }
        for message in Self.messages {
            #expect((message.name.binaryType < 128) == (message.answered != nil || message.name == .error))
        }
        #expect(ClientCommand.Name(binaryType: 0) == nil && ServerMessage.Name(binaryType: 255) == nil)
    }

    @Test("Several messages in one are read in their order")
    func several() throws {
        var writer = FieldWriter()
        for message in Self.messages { message.writeBinary(into: &writer) }
        #expect(try ServerMessage.decode(binary: writer.buffer) == Self.messages)
        let joined = Self.commands.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1.encodedBinary()) }
        #expect(try CommandMessage.read(joined) == Self.commands)
    }

    @Test("Any text of any length survives")
    func texts() throws {
        let seed: UInt64 = 0xB1A7
        var random = SeededRandom(seed: seed)
        for round in 0..<2000 {
            let body = Samples.text(using: &random)
            let message = ServerMessage.newMessage(Samples.delivered(body: body))
            #expect(try ServerMessage.decode(binary: message.encodedBinary()) == [message], "seed \(seed), \(round)")
        }
        for count in [0, 1, 30, 31, 32, 126, 127, 128, 129, 16_000, 16_383, 16_384, 65_536] {
            let message = ServerMessage.newMessage(Samples.delivered(body: String(repeating: "a", count: count)))
            #expect(try ServerMessage.decode(binary: message.encodedBinary()) == [message], "\(count)")
        }
    }

    @Test("Fields of a later version are passed over, whatever their kind and place")
    func laterFields() throws {
        func extended(_ buffer: ByteBuffer) throws -> ByteBuffer {
            var messages = BinaryMessages(buffer)
            var writer = FieldWriter()
            while let message = try messages.next() {
                writer.prefixed { writer in
                    writer.byte(message.type)
                    writer.integer(900, 7)
                    writer.text(16, "new")
                    var fields = FieldWriter(buffer: writer.buffer)
                    fields.copy(message.fields)
                    writer = fields
                    writer.nested(500) { $0.identifier(1, Samples.user) }
                    writer.copy(ByteBuffer(bytes: [0xA1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xA5, 0x06, 1, 2, 3, 4]))
                }
            }
            return writer.buffer
        }
        for message in Self.messages {
            #expect(try ServerMessage.decode(binary: try extended(message.encodedBinary())) == [message])
        }
        for message in Self.commands {
            #expect(try CommandMessage.read(try extended(message.encodedBinary())) == [message])
        }
    }

    @Test("The order of the fields does not matter")
    func order() throws {
        let message = ServerMessage.messageSent(7, Samples.sent(isDuplicate: true))
        var writer = FieldWriter()
        writer.prefixed { writer in
            writer.byte(65)
            writer.integer(6, 1)
            writer.integer(5, Samples.time.milliseconds)
            writer.integer(4, 42)
            writer.identifier(3, Samples.clientMessage)
            writer.identifier(2, Samples.conversation)
            writer.integer(1, 7)
        }
        #expect(try ServerMessage.decode(binary: writer.buffer) == [message])
    }

    @Test("An event of a later version is passed over, a command answered with its id")
    func laterTypes() throws {
        var writer = FieldWriter()
        writer.prefixed { writer in
            writer.byte(255)
            writer.integer(1, 7)
            writer.text(2, "tomorrow")
        }
        ServerMessage.resync.writeBinary(into: &writer)
        #expect(try ServerMessage.decode(binary: writer.buffer) == [.resync])
        let rejected = #expect(throws: RejectedCommand.self) { try CommandMessage.read(writer.buffer) }
        #expect(rejected?.failure.code == .unknownType && rejected?.id == 7 && rejected?.name == nil)
    }

    @Test("A code of a later version is read as internal")
    func laterCode() throws {
        for number in [9999, UInt64.max] {
            var writer = FieldWriter()
            writer.prefixed { writer in
                writer.byte(ServerMessage.Name.error.binaryType)
                writer.integer(2, number)
                writer.text(3, "m")
            }
            #expect(try ServerMessage.decode(binary: writer.buffer) == [.error(nil, Failure(.internal, "m"))])
        }
    }

    @Test("Every prefix is refused or is whole messages; nothing is fatal")
    func prefixes() {
        for buffer in Self.messages.map({ $0.encodedBinary() }) {
            for count in 0..<buffer.readableBytes {
                let prefix = buffer.getSlice(at: buffer.readerIndex, length: count) ?? ByteBuffer()
                #expect(throws: Failure.self, "\(count) of \(buffer)") { try ServerMessage.decode(binary: prefix) }
            }
        }
        for buffer in Self.commands.map({ $0.encodedBinary() }) {
            for count in 0..<buffer.readableBytes {
                let prefix = buffer.getSlice(at: buffer.readerIndex, length: count) ?? ByteBuffer()
                #expect(throws: RejectedCommand.self, "\(count)") { try CommandMessage.read(prefix) }
            }
        }
    }

    @Test("What is damaged is refused or read, and what is read can be written and read again")
    func mutations() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed: seed)
        var refused = 0
        let good = (Self.messages.map { $0.encodedBinary() } + Self.commands.map { $0.encodedBinary() })
            .map { Array($0.readableBytesView) }
        for _ in 0..<6000 {
            var bytes = good.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: bytes.indices, using: &random)
                bytes[place] = UInt8.random(in: 0...255, using: &random)
            }
            let buffer = ByteBuffer(bytes: bytes)
            if let read = try? ServerMessage.decode(binary: buffer) {
                for message in read {
                    #expect(try ServerMessage.decode(binary: message.encodedBinary()) == [message], "seed \(seed)")
                }
            } else {
                refused += 1
            }
            if let read = try? CommandMessage.read(buffer) {
                for message in read {
                    #expect(try CommandMessage.read(message.encodedBinary()) == [message], "seed \(seed)")
                }
            } else {
                refused += 1
            }
        }
        #expect(refused > 1000, "seed \(seed)")
    }
}

extension CommandMessage {
    /// All the commands of one WebSocket message.
    static func read(_ payload: ByteBuffer) throws(RejectedCommand) -> [CommandMessage] {
        var rest = BinaryCommands(payload)
        var commands: [CommandMessage] = []
        while let next = rest.next() { commands.append(try next.get()) }
        return commands
    }
}

extension FieldWriter {
    /// Fields that are ready.
    mutating func copy(_ fields: ByteBuffer) {
        for byte in fields.readableBytesView { self.byte(byte) }
    }
}

extension ServerMessage {
    /// The id that an answer carries.
    var answered: CommandID? {
        switch self {
        case .authenticated(let id, _), .messageSent(let id, _), .receiptStored(let id, _), .pong(let id, _),
            .synced(let id, _), .presenceWatched(let id, _), .statusSet(let id, _), .error(.some(let id), _):
            id
        default: nil
        }
    }

    /// The same with that id, if it has one.
    func numbered(_ number: UInt64) -> ServerMessage {
        switch self {
        case .authenticated(_, let fields): .authenticated(.number(number), fields)
        case .messageSent(_, let fields): .messageSent(.number(number), fields)
        case .receiptStored(_, let fields): .receiptStored(.number(number), fields)
        case .pong(_, let resume): .pong(.number(number), resume: resume)
        case .synced(_, let fields): .synced(.number(number), fields)
        case .presenceWatched(_, let users): .presenceWatched(.number(number), users)
        case .statusSet(_, let fields): .statusSet(.number(number), fields)
        case .error(.some, let failure): .error(.number(number), failure)
        default: self
        }
    }
}
