// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TestSupport

/// Values to encode, and texts that are hard to.
enum Samples {
    static let user = UserID(value: 0x0192_0000_0000_7000_8000_0000_0000_0001)
    static let other = UserID(value: 0x0192_0000_0000_7000_8000_0000_0000_0002)
    static let device = DeviceID(value: 0x0192_0000_0000_7000_8000_0000_0000_0003)
    static let session = SessionID(value: 0x0192_0000_0000_7000_8000_0000_0000_0004)
    static let conversation = ConversationID(value: 0x0192_0000_0000_7000_8000_0000_0000_0005)
    static let clientMessage = ClientMessageID(value: 0x0192_0000_0000_7000_8000_0000_0000_0006)
    static let time = Timestamp(1_795_258_025_123)

    static func delivered(body: String) -> DeliveredMessage {
        DeliveredMessage(
            messageID: MessageID(conversation: Self.conversation, seq: 42),
            conversationID: Self.conversation,
            seq: 42,
            senderID: Self.user,
            clientMessageID: Self.clientMessage,
            kind: .text,
            body: body,
            createdAt: Self.time
        )
    }

    static func sent(isDuplicate: Bool) -> MessageSent {
        MessageSent(
            conversationID: Self.conversation,
            clientMessageID: Self.clientMessage,
            seq: 42,
            createdAt: Self.time,
            isDuplicate: isDuplicate
        )
    }

    static var membership: MembershipEvent {
        MembershipEvent(
            conversationID: Self.conversation,
            members: [
                ConversationMember(userID: Self.user, role: .owner),
                ConversationMember(userID: Self.other, role: .member),
            ],
            actorID: Self.user
        )
    }

    static var conversationResponse: ConversationResponse {
        ConversationResponse(
            conversationID: Self.conversation,
            kind: .group,
            title: "Friends \"and\" others",
            members: Self.membership.members,
            headSeq: 7,
            createdAt: Self.time
        )
    }

    static var header: ConversationHeader {
        ConversationHeader(
            conversationID: Self.conversation,
            kind: .channel,
            title: "",
            headSeq: 0,
            createdAt: Self.time
        )
    }

    /// At least one of every kind.
    static var serverMessages: [ServerMessage] {
        [
            .authenticated(
                "1",
                Authenticated(
                    userID: Self.user,
                    deviceID: Self.device,
                    sessionID: Self.session,
                    heartbeatMilliseconds: 30_000,
                    limits: Authenticated.Bounds(bodyBytes: 65_536, frameBytes: 131_072, inFlight: 128)
                )
            ),
            .messageSent(2, Self.sent(isDuplicate: false)),
            .messageSent("\"\\\u{1}", Self.sent(isDuplicate: true)),
            .receiptStored(
                3,
                ReceiptStored(conversationID: Self.conversation, watermarks: Watermarks(delivered: 9, read: 7))
            ),
            .messageDelivered(ReceiptEvent(conversationID: Self.conversation, userID: Self.other, seq: 9)),
            .messageRead(ReceiptEvent(conversationID: Self.conversation, userID: Self.other, seq: UInt64(Int64.max))),
            .pong(18_446_744_073_709_551_615),
            .pong("p", resume: "AQ"),
            .synced("s", Synced(changed: 0, isFull: true)),
            .synced(
                3,
                Synced(
                    changed: 2,
                    tooFar: [Synced.TooFar(conversationID: Self.conversation, headSeq: 9, after: 1)],
                    removed: [Self.conversation, Self.conversation],
                    updated: [Self.conversation],
                    unavailable: [Self.conversation],
                    receiptsLeftOut: [Self.conversation],
                    isFull: false,
                    resume: "AQ"
                )
            ),
            .syncMessages(
                SyncMessages(
                    conversationID: Self.conversation,
                    messages: [Self.delivered(body: "a"), Self.delivered(body: "\"")],
                    headSeq: 42,
                    hasMore: true
                )
            ),
            .syncReceipts(
                SyncReceipts(
                    ConversationReceipts(
                        conversation: Self.conversation,
                        stateVersion: 7,
                        entries: [
                            MemberWatermarks(user: Self.user, watermarks: Watermarks(delivered: 3, read: 2)),
                            MemberWatermarks(user: Self.other, watermarks: .zero),
                        ]
                    )
                )
            ),
            .error("x", Failure(.overloaded, "Too many.", retryAfterMilliseconds: 100)),
            .error(nil, Failure(.malformed, "This is not valid JSON.")),
            .newMessage(Self.delivered(body: "Grüße, 世界 👋\n\"quoted\" \\ \u{0}\u{1F}\u{7F}\u{2028}")),
            .conversationCreated(Self.conversationResponse, actor: Self.user),
            .conversationUpdated(Self.header, actor: Self.other),
            .conversationDeleted(Self.conversation, actor: Self.other),
            .memberAdded(Self.membership),
            .memberRemoved(Self.membership),
            .roleChanged(Self.membership),
            .presenceWatched("w", []),
            .presenceWatched(
                1,
                [
                    PresenceBody(userID: Self.user, status: .away),
                    PresenceBody(userID: Self.other, status: .offline, lastSeenAt: Self.time),
                ]
            ),
            .statusSet("s", StatusBody(status: .invisible, visibleTo: .everyone)),
            .userOnline(UserOnline(userID: Self.user, status: .busy)),
            .userOffline(UserOffline(userID: Self.user)),
            .userOffline(UserOffline(userID: Self.user, lastSeenAt: Self.time)),
            .typing(
                TypingEvent(
                    conversationID: Self.conversation,
                    userID: Self.user,
                    isTyping: false,
                    expiresInMilliseconds: 0
                )
            ),
            .resync,
            .reconnect(Reconnect(withinMilliseconds: 1500, edge: "10.0.0.7:8200")),
            .reconnect(Reconnect(withinMilliseconds: 0)),
            .conversationUpdated(
                ConversationHeader(
                    conversationID: Self.conversation,
                    kind: .group,
                    title: "Grüße",
                    headSeq: 7,
                    createdAt: Self.time
                ),
                actor: Self.user
            ),
            .typing(
                TypingEvent(
                    conversationID: Self.conversation,
                    userID: Self.user,
                    isTyping: true,
                    expiresInMilliseconds: 6000
                )
            ),
        ]
    }

    static let send = SendMessageRequest(
        conversationID: Self.conversation,
        clientMessageID: Self.clientMessage,
        kind: .text,
        body: "hello"
    )

    /// At least one of every kind, and every field at least once.
    static var commands: [ClientCommand] {
        [
            .authenticate(.init(token: "a.b\"c", deviceID: Self.device)),
            .authenticate(.init(token: "t", deviceID: Self.device, sync: true)),
            .sendMessage(Self.send),
            .messageDelivered(ReceiptRequest(conversationID: Self.conversation, seq: 1)),
            .messageRead(ReceiptRequest(conversationID: Self.conversation, seq: UInt64(Int64.max))),
            .sync(SyncRequest(cursors: [:])),
            .sync(SyncRequest(cursors: [Self.conversation: UInt64(Int64.max)], resume: "a\"b", hasMore: true)),
            .watchPresence(.init(conversationIDs: [])),
            .watchPresence(.init(conversationIDs: [Self.conversation, Self.conversation])),
            .setStatus(.init(status: .away)),
            .setStatus(.init(visibleTo: .nobody)),
            .setTyping(.init(conversationID: Self.conversation, isTyping: false)),
            .sync(
                SyncRequest(
                    cursors: [Self.conversation: 3, ConversationID(value: 1): 2],
                    states: [Self.conversation: 0],
                    wantsReceipts: true
                )
            ),
            .ping,
            .sync(SyncRequest(cursors: [:], resume: "")),
            .setStatus(.init(status: .invisible, visibleTo: .everyone)),
            .setTyping(.init(conversationID: Self.conversation)),
        ]
    }

    /// Any Unicode text, with a liking for what JSON escapes.
    static func text(using random: inout SeededRandom) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...60, using: &random) {
            let range: ClosedRange<UInt32> =
                switch UInt8.random(in: 0...4, using: &random) {
                case 0: 0...0x1F
                case 1: 0x20...0x7F
                case 2: 0x80...0x7FF
                case 3: 0x800...0xFFFF
                default: 0x10000...0x10FFFF
                }
            if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) { text.append(scalar) }
            if Bool.random(using: &random) { text.append(Bool.random(using: &random) ? "\"" : "\\") }
        }
        return String(text)
    }
}
