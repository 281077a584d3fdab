// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore

extension Benchmark {
    /// What clients send and get, in both of their protocols.
    static let clientProtocol: [Benchmark] = {
        var random = Samples.Random(seed: 3)
        let conversation: ConversationID = Samples.identifier(&random)
        let request = SendMessageRequest(
            conversationID: conversation,
            clientMessageID: Samples.clientMessageID(9),
            kind: .text,
            body: Samples.text(&random)
        )
        let command = CommandMessage(id: .number(12), command: .sendMessage(request))
        let event = ServerMessage.newMessage(DeliveredMessage(Samples.message(7, in: conversation, &random)))
        return Self.json(command, event) + Self.binary(command, event)
    }()

    private static func json(_ command: CommandMessage, _ event: ServerMessage) -> [Benchmark] {
        let (commandBytes, eventBytes) = (command.encoded(), event.encoded())
        return [
            Self.repeated("json.send_message.encode", "a command, to JSON", commandBytes.count) {
                keep(command.encoded())
            },
            Self.repeated("json.send_message.decode", "a command, from JSON and checked", commandBytes.count) {
                do throws(RejectedCommand) {
                    keep(try CommandMessage(json: commandBytes))
                } catch {
                    preconditionFailure("a sample could not be read: \(error)")
                }
            },
            Self.repeated("json.new_message.encode", "an event, to JSON", eventBytes.count) { keep(event.encoded()) },
            Self.repeated("json.new_message.decode", "an event, from JSON", eventBytes.count) {
                do throws(Failure) {
                    keep(try ServerMessage.decode(json: eventBytes))
                } catch {
                    preconditionFailure("a sample could not be read: \(error)")
                }
            },
        ]
    }

    private static func binary(_ command: CommandMessage, _ event: ServerMessage) -> [Benchmark] {
        let (commandBytes, eventBytes) = (command.encodedBinary(), event.encodedBinary())
        return [
            Self.repeated("binary.send_message.encode", "a command, to binary", commandBytes.readableBytes) {
                keep(command.encodedBinary())
            },
            Self.repeated(
                "binary.send_message.decode",
                "a command, from binary and checked",
                commandBytes.readableBytes
            ) {
                var reader = BinaryCommands(commandBytes)
                while let command = reader.next() {
                    guard case .success(let command) = command else {
                        preconditionFailure("a sample could not be read: \(command)")
                    }
                    keep(command)
                }
            },
            Self.repeated("binary.new_message.encode", "an event, to binary", eventBytes.readableBytes) {
                keep(event.encodedBinary())
            },
            Self.repeated("binary.new_message.decode", "an event, from binary", eventBytes.readableBytes) {
                do throws(Failure) {
                    keep(try ServerMessage.decode(binary: eventBytes))
                } catch {
                    preconditionFailure("a sample could not be read: \(error)")
                }
            },
        ]
    }

    /// One that keeps nothing from one operation to the next.
    static func repeated(
        _ name: String,
        _ summary: String,
        _ bytes: Int = 0,
        _ operation: @escaping @Sendable () -> Void
    ) -> Benchmark {
        Benchmark(name, summary) {
            Case(bytes: bytes) { count in
                for _ in 0..<count { operation() }
            }
        }
    }
}
