// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore

/// Binary messages from clients and edges.
///
/// Input: whose, then the payload of one WebSocket message.
enum BinaryEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let isOfEdge = input.byte() & 1 == 1
        let payload = ByteBuffer(bytes: input.remainder())
        if isOfEdge {
            try Self.serverMessages(payload)
        } else {
            try Self.commands(payload)
        }
    }

    private static func commands(_ payload: ByteBuffer) throws {
        var commands = BinaryCommands(payload)
        var count = 0
        while let next = commands.next() {
            count += 1
            switch next {
            case .failure(let rejected): try Self.check(rejected.failure)
            case .success(let message): try Self.command(message)
            }
        }
        try require(count <= BinaryCommands.commandsMax + 1, "\(count) commands in one message")
    }

    private static func command(_ message: CommandMessage) throws {
        if case .sendMessage(let request) = message.command {
            try require(request.body.utf8.count <= Limits.messageBodyBytesMax, "a body over its bound")
        }
        var binary = BinaryCommands(message.encodedBinary())
        guard case .success(message)? = binary.next() else {
            throw PropertyViolation("\(message) reads back differently")
        }
        let json: CommandMessage
        do throws(RejectedCommand) {
            json = try CommandMessage(json: message.encoded())
        } catch {
            throw PropertyViolation("\(message) is not taken in JSON: \(error)")
        }
        try require(json == message, "\(message) is \(json) in JSON")
    }

    private static func serverMessages(_ payload: ByteBuffer) throws {
        let messages: [ServerMessage]
        do throws(Failure) {
            messages = try ServerMessage.decode(binary: payload)
        } catch {
            return try Self.check(error)
        }
        for message in messages {
            let again = try? ServerMessage.decode(binary: message.encodedBinary())
            try require(again == [message], "\(message) reads back as \(String(describing: again))")
            // Times beyond the year 9999 have no form of their own in JSON, so its text is compared.
            let json = message.encoded()
            let inJSON = try? ServerMessage.decode(json: json)
            try require(inJSON?.encoded() == json, "\(message) is \(String(describing: inJSON)) in JSON")
        }
    }

    /// A refusal has one of the codes that are documented for input, and does not repeat the input.
    private static func check(_ failure: Failure) throws(PropertyViolation) {
        switch failure.code {
        case .malformed, .unknownType, .missingField, .invalidField, .tooLarge: break
        default: throw PropertyViolation("refused with \(failure)")
        }
        try require(!failure.message.isEmpty && failure.message.utf8.count <= 300, "the reason is \(failure.message)")
    }
}
