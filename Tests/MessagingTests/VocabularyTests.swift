// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing

@Suite("Error codes")
struct ErrorCodeTests {
    @Test("Names are different and in snake case")
    func names() {
        let names = ErrorCode.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        for name in names {
            #expect(name.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil, "\(name)")
        }
    }

    /// Raw values travel between nodes of two versions and names reach clients, so neither may ever change. A new code
    /// is added here too.
    @Test("Raw values and names are what they have always been")
    func stable() {
        let known: [UInt16: String] = [
            1: "malformed", 2: "unknown_type", 3: "missing_field", 4: "invalid_field", 5: "too_large",
            20: "unauthenticated", 21: "token_expired", 22: "invalid_credentials", 23: "refresh_token_reused",
            24: "already_authenticated", 40: "not_found", 41: "unknown_user", 42: "username_taken", 43: "last_owner",
            44: "conflict", 45: "client_message_id_too_old", 46: "method_not_allowed", 60: "rate_limited",
            61: "overloaded", 62: "unavailable", 80: "outcome_unknown", 81: "internal",
        ]
        for (rawValue, name) in known { #expect(ErrorCode(rawValue: rawValue)?.name == name) }
        #expect(ErrorCode.allCases.count == known.count)
    }

    @Test("Statuses are errors of HTTP, and 429 and 5xx are what can be tried again")
    func statuses() {
        for code in ErrorCode.allCases {
            #expect((400...599).contains(code.httpStatus), "\(code)")
            #expect(code.isRetryable == (code.httpStatus == 429 || code.httpStatus >= 500), "\(code)")
        }
    }
}

@Suite("Words of messages and conversations")
struct VocabularyTests {
    @Test("Kinds of messages keep their numbers and names")
    func messageKinds() {
        let known: [UInt8: String] = [
            1: "text", 2: "image", 3: "video", 4: "audio", 5: "voice", 6: "document", 7: "location", 8: "sticker",
            9: "gif",
        ]
        #expect(MessageKind.allCases.count == known.count)
        for (number, name) in known {
            #expect(MessageKind(rawValue: number)?.name == name)
            #expect(MessageKind(name: name)?.rawValue == number)
        }
        for name in ["", "Text", "text ", "unknown"] { #expect(MessageKind(name: name) == nil) }
        #expect(MessageKind(rawValue: 0) == nil)
    }

    @Test("Kinds of conversations and roles keep their numbers and names")
    func conversations() {
        #expect(ConversationKind.allCases.map(\.rawValue) == [1, 2, 3])
        #expect(ConversationKind.allCases.map(\.name) == ["direct", "group", "channel"])
        #expect(ConversationKind.allCases.allSatisfy { ConversationKind(name: $0.name) == $0 })
        #expect(MemberRole.allCases.map(\.rawValue) == [1, 2, 3])
        #expect(MemberRole.allCases.map(\.name) == ["member", "admin", "owner"])
        #expect(MemberRole.allCases.allSatisfy { MemberRole(name: $0.name) == $0 })
        #expect(MemberRole(name: "king") == nil)
        #expect(ConversationKind(name: "Direct") == nil)
    }

    @Test("A larger role may do more")
    func roles() {
        #expect(MemberRole.member < .admin)
        #expect(MemberRole.admin < .owner)
        #expect(MemberRole.allCases.max() == .owner)
    }

    @Test("A message carries its own address")
    func messageID() {
        let conversation = ConversationID.generate()
        let message = Message(
            conversation: conversation,
            seq: 7,
            sender: .generate(),
            senderDevice: .generate(),
            clientMessageID: .generate(),
            kind: .text,
            body: "hello",
            createdAt: 1
        )
        #expect(message.id == MessageID(conversation: conversation, seq: 7))
    }

    @Test("One answer for unknown, not a member and may not")
    func noSuchConversation() {
        #expect(Failure.noSuchConversation.code == .notFound)
        #expect(Failure.noSuchConversation.retryAfterMilliseconds == nil)
    }
}
