// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TestSupport
import Testing

@Suite("Bodies of REST")
struct RESTBodiesTests {
    private func fields(_ value: some Encodable) throws -> Set<String> {
        Set(try JSONValue(json: try JSONBody.encode(value)).object?.keys.map { $0 } ?? [])
    }

    @Test("Fields have the names of the contract")
    func names() throws {
        let device = DeviceDescription(deviceID: Samples.device, name: "n", type: "web")
        #expect(
            try self.fields(RegisterRequest(username: "u", password: "p", displayName: "d", device: device))
                == ["username", "password", "display_name", "device"]
        )
        #expect(try self.fields(LoginRequest(username: "u", password: "p")) == ["username", "password"])
        #expect(try self.fields(device) == ["device_id", "name", "type"])
        #expect(try self.fields(RefreshRequest(refreshToken: "r")) == ["refresh_token"])
        let tokens = TokenResponse(
            userID: Samples.user,
            deviceID: Samples.device,
            accessToken: "a",
            refreshToken: "r",
            expiresIn: 900
        )
        #expect(
            try self.fields(tokens) == ["user_id", "device_id", "access_token", "refresh_token", "expires_in"]
        )
        let user = UserBody(userID: Samples.user, username: "u", displayName: "d", createdAt: Samples.time)
        #expect(try self.fields(user) == ["user_id", "username", "display_name", "created_at"])
        #expect(
            try self.fields(CreateConversationRequest(kind: .group, memberIDs: [], title: "t"))
                == ["kind", "member_ids", "title"]
        )
        #expect(
            try self.fields(Samples.conversationResponse)
                == ["conversation_id", "kind", "title", "member_count", "members", "head_seq", "created_at"]
        )
        #expect(try self.fields(AddMembersRequest(userIDs: [])) == ["user_ids"])
        #expect(
            try self.fields(MessagesResponse(messages: [], headSeq: 1, hasMore: false))
                == ["messages", "head_seq", "has_more"]
        )
        let item = ConversationListItem(
            conversationID: Samples.conversation,
            kind: .direct,
            title: "",
            memberCount: 2,
            headSeq: 1,
            readSeq: 0,
            unreadCount: 0,
            lastMessage: nil,
            createdAt: Samples.time
        )
        #expect(
            try self.fields(item)
                == [
                    "conversation_id", "kind", "title", "member_count", "head_seq", "read_seq", "unread_count",
                    "created_at",
                ]
        )
        #expect(try self.fields(ConversationListResponse(conversations: [item], nextCursor: nil)) == ["conversations"])
    }

    @Test("REST and WebSocket show a message with the same fields")
    func sameMessage() throws {
        let message = Samples.delivered(body: "b")
        let event = try JSONValue(json: ServerMessage.newMessage(message).encoded())
        #expect(event["message"] == (try JSONValue(json: try JSONBody.encode(message))))
        let sent = Samples.sent(isDuplicate: true)
        var answer = try JSONValue(json: ServerMessage.messageSent("1", sent).encoded()).object ?? [:]
        answer["id"] = nil
        answer["type"] = nil
        #expect(JSONValue.object(answer) == (try JSONValue(json: try JSONBody.encode(sent))))
    }

    @Test("A problem carries the failure there and back")
    func problem() throws {
        for code in ErrorCode.allCases {
            let failure = Failure(code, "Because.", retryAfterMilliseconds: code.isRetryable ? 250 : nil)
            let problem = Problem(failure)
            let bytes = try JSONBody.encode(problem)
            #expect(try JSONBody.decode(Problem.self, from: bytes) == problem)
            #expect(problem.failure == failure)
            let json = try JSONValue(json: bytes)
            #expect(json["code"]?.string == code.name)
            #expect(json["status"]?.integer == Int64(code.httpStatus))
            #expect((json["retry_after_ms"] != nil) == code.isRetryable)
        }
    }

    @Test("An error names the place in nested values")
    func nested() {
        let text = #"{"kind":"group","member_ids":["01920000-0000-7000-8000-000000000001","x"]}"#
        let failure = #expect(throws: Failure.self) {
            try JSONBody.decode(CreateConversationRequest.self, from: Array(text.utf8))
        }
        #expect(failure?.code == .invalidField)
        #expect(failure?.message.contains("`member_ids[1]` must be a UUID") == true, "\(failure?.message ?? "")")
    }

    @Test("A value of the wrong type is told as what it should be")
    func wrongType() {
        let text = #"{"kind":"group","member_ids":"x"}"#
        let failure = #expect(throws: Failure.self) {
            try JSONBody.decode(CreateConversationRequest.self, from: Array(text.utf8))
        }
        #expect(failure?.message.contains("`member_ids` must be an array") == true, "\(failure?.message ?? "")")
    }
}
