// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging

/// Reads JSON whose fields stand in the order in which edges write them, without blanks and without escapes.
///
/// That is nearly everything a client receives, and ten times cheaper than a general decoder. Every method returns nil
/// or false when the bytes are not exactly so; the caller then asks the general decoder, which also says what is wrong.
struct FixedLayoutReader {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { self.position == self.bytes.count }

    /// Passes over exactly this text.
    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard self.bytes.count - self.position >= count else { return false }
        let matches = text.withUTF8Buffer { expected in
            for index in 0..<count where self.bytes[self.position + index] != expected[index] { return false }
            return true
        }
        if matches { self.position += count }
        return matches
    }

    /// A number without sign, fraction and leading zeros.
    mutating func integer() -> UInt64? {
        let start = self.position
        var value: UInt64 = 0
        while self.position < self.bytes.count {
            let byte = self.bytes[self.position]
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { break }
            let (product, productOverflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflows) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            guard !productOverflows, !sumOverflows else { return nil }
            value = sum
            self.position += 1
        }
        let digits = self.position - start
        guard digits > 0, digits == 1 || self.bytes[start] != UInt8(ascii: "0") else { return nil }
        return value
    }

    /// The 36 characters of a UUID in lower case, without the quotes around them.
    mutating func identifier<Kind>(_ kind: Identifier<Kind>.Type) -> Identifier<Kind>? {
        guard self.bytes.count - self.position >= 36 else { return nil }
        var value: UInt128 = 0
        for index in 0..<36 {
            let byte = self.bytes[self.position + index]
            switch index {
            case 8, 13, 18, 23:
                guard byte == UInt8(ascii: "-") else { return nil }
            default:
                let digit: UInt8
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
                case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
                default: return nil
                }
                value = value << 4 | UInt128(digit)
            }
        }
        self.position += 36
        return Identifier(value: value)
    }

    /// Text up to the closing quote, and the quote. Nil when it has escapes, control characters or is not UTF-8.
    mutating func text() -> String? {
        let start = self.position
        while self.position < self.bytes.count {
            let byte = self.bytes[self.position]
            if byte == UInt8(ascii: "\"") {
                let text = UnsafeRawBufferPointer(rebasing: self.bytes[start..<self.position])
                self.position += 1
                return String(validating: text, as: UTF8.self)
            }
            guard byte >= 0x20, byte != UInt8(ascii: "\\") else { return nil }
            self.position += 1
        }
        return nil
    }
}

extension FixedLayoutReader {
    /// `{"type":"new_message","message":{…}}`
    mutating func newMessage() -> DeliveredMessage? {
        guard self.skip("{\"type\":\"new_message\",\"message\":{\"message_id\":\""),
            let idConversation = self.identifier(ConversationID.self),
            self.skip("."),
            let idSeq = self.integer(),
            self.skip("\",\"conversation_id\":\""),
            let conversation = self.identifier(ConversationID.self),
            self.skip("\",\"seq\":"),
            let seq = self.integer(),
            self.skip(",\"sender_id\":\""),
            let sender = self.identifier(UserID.self),
            self.skip("\",\"client_message_id\":\""),
            let clientMessageID = self.identifier(ClientMessageID.self),
            self.skip("\",\"kind\":\""),
            let kind = self.text().flatMap(MessageKind.init(name:)),
            self.skip(",\"body\":\""),
            let body = self.text(),
            self.skip(",\"created_at\":\""),
            let createdAt = self.text().flatMap({ Timestamp($0) }),
            self.skip("}}"), self.isAtEnd
        else { return nil }
        return DeliveredMessage(
            messageID: MessageID(conversation: idConversation, seq: idSeq),
            conversationID: conversation,
            seq: seq,
            senderID: sender,
            clientMessageID: clientMessageID,
            kind: kind,
            body: body,
            createdAt: createdAt
        )
    }

    /// `{"id":NUMBER,"type":"message_sent",…}`
    mutating func messageSent() -> (id: UInt64, fields: MessageSent)? {
        guard self.skip("{\"id\":"),
            let id = self.integer(),
            self.skip(",\"type\":\"message_sent\",\"conversation_id\":\""),
            let conversation = self.identifier(ConversationID.self),
            self.skip("\",\"client_message_id\":\""),
            let clientMessageID = self.identifier(ClientMessageID.self),
            self.skip("\",\"message_id\":\""),
            self.identifier(ConversationID.self) == conversation,
            self.skip("."),
            let idSeq = self.integer(),
            self.skip("\",\"seq\":"),
            let seq = self.integer(), seq == idSeq,
            self.skip(",\"created_at\":\""),
            let createdAt = self.text().flatMap({ Timestamp($0) })
        else { return nil }
        let isDuplicate = self.skip(",\"duplicate\":true")
        guard self.skip("}"), self.isAtEnd else { return nil }
        let fields = MessageSent(
            conversationID: conversation,
            clientMessageID: clientMessageID,
            seq: seq,
            createdAt: createdAt,
            isDuplicate: isDuplicate
        )
        return (id, fields)
    }
}
