// SPDX-License-Identifier: Apache-2.0

internal import Fields
package import Messaging
package import NIOCore

/// A message of the binary protocol whose fields have no meaning yet.
package struct BinaryMessage: Sendable {
    package var type: UInt8
    package var fields: ByteBuffer

    package init(type: UInt8, fields: ByteBuffer) {
        self.type = type
        self.fields = fields
    }
}

/// Takes the messages out of one WebSocket message. Each stands behind its length as a varint, and is a byte for its type
/// and then tagged fields.
package struct BinaryMessages {
    private var reader: FieldReader
    private var isFirst = true

    package init(_ payload: ByteBuffer) {
        self.reader = FieldReader(payload)
    }

    /// The next message, or nil behind the last.
    ///
    /// - Throws: `malformed`; nothing after it can be read.
    package mutating func next() throws(Failure) -> BinaryMessage? {
        defer { self.isFirst = false }
        do throws(FieldError) {
            guard var message = try self.reader.prefixed() else {
                if self.isFirst { throw .truncated }
                return nil
            }
            guard let type = message.readInteger(as: UInt8.self) else { throw .truncated }
            return BinaryMessage(type: type, fields: message)
        } catch {
            throw Failure(.malformed, "A message must be its length, the byte of its type, and fields.")
        }
    }
}

/// The commands of one WebSocket message, one after the other.
package struct BinaryCommands {
    /// Commands that are taken in one WebSocket message. Without a bound a few bytes could ask for many times as many of
    /// answers before anybody looks at the socket.
    package static let commandsMax = 256

    private var messages: BinaryMessages
    private var taken = 0
    private var hasEnded = false

    package init(_ payload: ByteBuffer) {
        self.messages = BinaryMessages(payload)
    }

    /// The next command, or why it is none; nil behind the last. What is not made of messages ends with a refusal, and so
    /// does what holds more than ``commandsMax``.
    package mutating func next() -> Result<CommandMessage, RejectedCommand>? {
        guard !self.hasEnded else { return nil }
        do throws(RejectedCommand) {
            let message: BinaryMessage
            do throws(Failure) {
                guard let next = try self.messages.next() else {
                    self.hasEnded = true
                    return nil
                }
                guard self.taken < Self.commandsMax else {
                    throw Failure(.tooLarge, "There are more than \(Self.commandsMax) commands in one message.")
                }
                message = next
            } catch {
                self.hasEnded = true
                throw RejectedCommand(id: nil, name: nil, failure: error)
            }
            self.taken += 1
            return .success(try CommandMessage(message))
        } catch {
            return .failure(error)
        }
    }
}

extension FieldWriter {
    /// Writes a message with its length and type.
    mutating func message(type: UInt8, id: CommandID?, _ write: (inout FieldWriter) -> Void) {
        self.prefixed { writer in
            writer.byte(type)
            // Commands in this protocol have numbers, so no answer to one has a text.
            if case .number(let number) = id { writer.optional(1, number) }
            write(&writer)
        }
    }
}
