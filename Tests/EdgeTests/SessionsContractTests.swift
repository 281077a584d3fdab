// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import TestSupport
import Testing

@testable import Edge

@Suite("The AsyncAPI document")
struct SessionsContractTests {
    private static func document() throws -> ContractDocument {
        try ContractDocument(yaml: String(decoding: PackageResources.asyncapi_yaml, as: UTF8.self))
    }

    private static let id = ConversationID(value: 0x0192_0000_0000_7000_8000_0000_0000_0005)
    private static let user = UserID(value: 0x0192_0000_0000_7000_8000_0000_0000_0001)
    private static let message = Message.sample(3, sender: Self.user, device: DeviceID(value: 1), body: "ä\n\"")

    private static var serverMessages: [ServerMessage] {
        let conversation = Conversation(
            id: Self.id,
            kind: .group,
            title: "t",
            createdBy: Self.user,
            createdAt: 1,
            headSeq: 0
        )
        let members = [Member(user: Self.user, role: .owner)]
        let membership = MembershipEvent(
            conversationID: Self.id,
            members: members.map(ConversationMember.init),
            actorID: Self.user
        )
        let sent = { (isDuplicate: Bool) in
            MessageSent(
                conversationID: Self.id,
                clientMessageID: Self.message.clientMessageID,
                seq: 3,
                createdAt: Timestamp(1),
                isDuplicate: isDuplicate
            )
        }
        let bounds = Authenticated.Bounds(bodyBytes: 1, frameBytes: 2, inFlight: 3)
        let authenticated = Authenticated(
            userID: Self.user,
            deviceID: DeviceID(value: 1),
            sessionID: SessionID(value: 1),
            heartbeatMilliseconds: 30_000,
            limits: bounds
        )
        let stored = ReceiptStored(conversationID: Self.id, watermarks: Watermarks(delivered: 2, read: 0))
        let receipt = ReceiptEvent(conversationID: Self.id, userID: Self.user, seq: 1)
        return [
            .authenticated("1", authenticated), .messageSent(0, sent(false)), .messageSent("x", sent(true)), .pong("1"),
            .error("1", Failure(.overloaded, "m", retryAfterMilliseconds: 5)), .error(nil, Failure(.malformed, "m")),
            .newMessage(DeliveredMessage(Self.message)), .pong("1", resume: "AQ"),
            .syncMessages(
                SyncMessages(
                    conversationID: Self.id,
                    messages: [DeliveredMessage(Self.message)],
                    headSeq: 3,
                    hasMore: false
                )
            ),
            .synced(
                "1",
                Synced(
                    changed: 1,
                    tooFar: [Synced.TooFar(conversationID: Self.id, headSeq: 3, after: 0)],
                    removed: [Self.id],
                    updated: [Self.id],
                    receiptsLeftOut: [Self.id],
                    isFull: true,
                    resume: "AQ"
                )
            ),
            .syncReceipts(
                SyncReceipts(
                    ConversationReceipts(
                        conversation: Self.id,
                        stateVersion: 2,
                        entries: [MemberWatermarks(user: Self.user, watermarks: Watermarks(delivered: 2, read: 0))]
                    )
                )
            ),
            .conversationCreated(ConversationResponse(conversation, members: members), actor: Self.user),
            .conversationUpdated(ConversationHeader(conversation), actor: Self.user),
            .conversationDeleted(Self.id, actor: Self.user), .memberAdded(membership), .memberRemoved(membership),
            .roleChanged(membership), .resync, .reconnect(Reconnect(withinMilliseconds: 0)),
            .reconnect(Reconnect(withinMilliseconds: 1500, edge: "10.0.0.7:8200")), .receiptStored("1", stored),
            .messageDelivered(receipt),
            .messageRead(receipt),
            .presenceWatched(
                "1",
                [
                    PresenceBody(userID: Self.user, status: .busy),
                    PresenceBody(userID: Self.user, status: .offline, lastSeenAt: Timestamp(1)),
                ]
            ),
            .statusSet("1", StatusBody(status: .invisible, visibleTo: .nobody)),
            .userOnline(UserOnline(userID: Self.user, status: .away)), .userOffline(UserOffline(userID: Self.user)),
            .userOffline(UserOffline(userID: Self.user, lastSeenAt: Timestamp(1))),
            .typing(
                TypingEvent(conversationID: Self.id, userID: Self.user, isTyping: true, expiresInMilliseconds: 6000)
            ),
        ]
    }

    @Test("Everything that an edge says fits its schema")
    func serverMessages() throws {
        let document = try Self.document()
        for message in Self.serverMessages {
            try document.validate(json: message.encoded(), schema: message.name.rawValue)
        }
        #expect(Set(Self.serverMessages.map(\.name)) == Set(ServerMessage.Name.allCases))
    }

    @Test("Every command that fits its schema is understood, and every command is described")
    func commands() throws {
        let document = try Self.document()
        let request = SendMessageRequest(
            conversationID: Self.id,
            clientMessageID: Self.message.clientMessageID,
            kind: .text,
            body: "b"
        )
        let commands: [ClientCommand] = [
            .authenticate(.init(token: "t", deviceID: DeviceID(value: 1))), .sendMessage(request), .ping,
            .messageDelivered(ReceiptRequest(conversationID: Self.id, seq: 1)),
            .messageRead(ReceiptRequest(conversationID: Self.id, seq: 1)),
            .authenticate(.init(token: "t", deviceID: DeviceID(value: 1), sync: true)),
            .sync(SyncRequest(cursors: [:])), .sync(SyncRequest(cursors: [Self.id: 7], resume: "AQ", hasMore: true)),
            .watchPresence(.init(conversationIDs: [Self.id])), .setStatus(.init(status: .away, visibleTo: .everyone)),
            .setTyping(.init(conversationID: Self.id, isTyping: false)),
            .sync(
                SyncRequest(
                    cursors: [Self.id: 7, ConversationID(value: 9): 1],
                    states: [Self.id: 2],
                    wantsReceipts: true
                )
            ),
        ]
        #expect(Set(commands.map(\.name)) == Set(ClientCommand.Name.allCases))
        for command in commands {
            for id in ["1", 7] as [CommandID] {
                let bytes = CommandMessage(id: id, command: command).encoded()
                try document.validate(json: bytes, schema: command.name.rawValue)
            }
        }
    }

    @Test("Its messages are the ones that there are")
    func names() throws {
        let document = try Self.document()
        let described = Set(document.root["components"]?["messages"]?.object?.keys.map { $0 } ?? [])
        let known = ServerMessage.Name.allCases.map(\.rawValue) + ClientCommand.Name.allCases.map(\.rawValue)
        #expect(described == Set(known))
        let channel = document.root["channels"]?["session"]?["messages"]?.object?.keys.map { $0 } ?? []
        #expect(Set(channel) == described)
    }

    @Test("It has the error codes, kinds and roles that there are")
    func enumerations() throws {
        let document = try Self.document()
        func values(_ name: String) -> [String] {
            document.schema(named: name)?["enum"]?.array?.compactMap(\.string) ?? []
        }
        #expect(values("ErrorCode") == ErrorCode.allCases.map(\.name))
        #expect(values("MessageKind") == MessageKind.allCases.map(\.name))
        #expect(values("ConversationKind") == ConversationKind.allCases.map(\.name))
        #expect(values("MemberRole") == MemberRole.allCases.map(\.name))
        #expect(values("ChosenStatus") == ChosenStatus.allCases.map(\.name))
        #expect(values("PresenceVisibility") == PresenceVisibility.allCases.map(\.name))
    }

    @Test("Its table of close codes is the list that there is")
    func closeCodes() throws {
        let text = try #require(try Self.document().root["info"]?["description"]?.string)
        let rows = text.split(separator: "\n").filter { $0.hasPrefix("| 1") || $0.hasPrefix("| 4") }
        #expect(rows.count == CloseCode.allCases.count)
        for code in CloseCode.allCases {
            #expect(rows.contains { $0.hasPrefix("| \(code.rawValue) | `\(code.name)` |") }, "\(code)")
        }
    }

    @Test("Its bounds are the ones that hold")
    func bounds() throws {
        let document = try Self.document()
        #expect(document.schema(named: "Body")?["maxLength"]?.integer == Int64(Limits.messageBodyBytesMax))
        let settings = Session.Settings(
            authenticationTimeout: .seconds(1),
            heartbeat: .seconds(1),
            silence: .seconds(1)
        )
        #expect(settings.errorsInRowMax == 100)
    }
}
