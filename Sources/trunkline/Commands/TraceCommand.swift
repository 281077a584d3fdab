// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Messaging
import Operations

struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: OperatorVerb.trace.summary,
        discussion: """
            Reads what is stored: when the sender's device made the message's id and when a router took it, each by its own \
            clock; the slot, the shard and the table; how many of its recipients have got and read it, and which of them have \
            not, with the edges where they are connected. When somebody got or read it is not stored, only how far each has \
            come; and nothing is stored of who has left the conversation since. What people wrote is not shown.

            A message's id is CONVERSATION.NUMBER, as clients have it.

            Examples:
              trunkline trace 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11.42
              trunkline trace 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11 42
              trunkline trace 0199c7a1-5b1e-7c43-9f3c-2f1f0a6d8b11.42 --json | jq '.listed[] | select(.status == "sent")'

            Exit codes: 0 shown; 1 there is no such message, or it could not be found out; 64, 78 as everywhere.
            """
    )

    @OptionGroup var options: LookOptions

    @Argument(help: "The message's id; or that of its conversation, with the number after it.")
    var message: String

    @Argument(help: "The message's number in its conversation.")
    var number: UInt64?

    func validate() throws {
        _ = try self.id()
    }

    private func id() throws -> MessageID {
        guard let number = self.number else {
            if let id = MessageID(self.message) { return id }
            guard ConversationID(self.message) == nil else {
                throw ValidationError("Say the message's number after its conversation.")
            }
            throw ValidationError("\"\(self.message)\" is not the id of a message, which is CONVERSATION.NUMBER.")
        }
        guard let conversation = ConversationID(self.message) else {
            throw ValidationError("\"\(self.message)\" is not the id of a conversation, which is a UUID.")
        }
        guard number > 0 else { throw ValidationError("Messages are numbered from 1.") }
        return MessageID(conversation: conversation, seq: number)
    }

    func run() async throws {
        let id = try self.id()
        try await Ending.report {
            let trace = try await self.options.look(asksRouters: true).trace(id)
            print(self.options.json ? try trace.json() : trace.text(), terminator: "")
        }
    }
}
