// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement
import Testing
import Wire

private let conversation = ConversationID(value: 0xC0)
private let ada = UserID(value: 1)
private let bob = UserID(value: 2)
private let device = DeviceID(value: 0xD1)
private let client = ClientMessageID(value: 0xC1)
private let time: UnixMilliseconds = 1_800_000_000_000
private let member = Member(user: ada, role: .owner, joinedSeq: 7, readSeq: 9)
private let profile = UserProfile(id: ada, username: "ada", displayName: "Ada", createdAt: time)
private let team = Conversation(
    id: conversation,
    kind: .group,
    title: "Team",
    createdBy: ada,
    createdAt: time,
    headSeq: 300
)
private let message = Message(
    conversation: conversation,
    seq: 300,
    sender: ada,
    senderDevice: device,
    clientMessageID: client,
    kind: .text,
    body: "h\u{E9}",
    createdAt: time
)

/// One of each body with its bytes. The bytes come from another encoder of the Protocol Buffers wire format; when one of
/// these changes, nodes of two versions no longer understand each other.
private let samples: [(body: any WireMessage & Equatable, hexadecimal: String)] =
    receiptSamples + [
        (
            Submit(
                conversation: conversation,
                sender: ada,
                senderDevice: device,
                clientMessageID: client,
                kind: .text,
                body: "h\u{E9}"
            ),
            """
            0a10000000000000000000000000000000c01210000000000000000000000000000000011a1000000000000000000000\
            0000000000d12210000000000000000000000000000000c12801320368c3a9
            """
        ),
        (
            Accepted(seq: 300, createdAt: time, duplicate: true),
            """
            08ac021080a0f1c2b1341801
            """
        ),
        (
            MessageBody(message),
            """
            0a10000000000000000000000000000000c010ac021a1000000000000000000000000000000001221000000000000000\
            0000000000000000d12a10000000000000000000000000000000c130013a0368c3a94080a0f1c2b134
            """
        ),
        (
            Deliver(message: message, recipients: [ada, bob], isBroadcast: true),
            """
            0a590a10000000000000000000000000000000c010ac021a100000000000000000000000000000000122100000000000\
            00000000000000000000d12a10000000000000000000000000000000c130013a0368c3a94080a0f1c2b1341220000000\
            00000000000000000000000001000000000000000000000000000000021801
            """
        ),
        (
            ReadMessages(conversation: conversation, reader: ada, position: .after(300), limit: 50),
            """
            0a10000000000000000000000000000000c012100000000000000000000000000000000118ad022832
            """
        ),
        (
            MessagePage(messages: [message], headSeq: 300, hasMore: true),
            """
            0a590a10000000000000000000000000000000c010ac021a100000000000000000000000000000000122100000000000\
            00000000000000000000d12a10000000000000000000000000000000c130013a0368c3a94080a0f1c2b13410ac021801
            """
        ),
        (
            MemberBody(member),
            """
            0a1000000000000000000000000000000001100318072009
            """
        ),
        (
            ConversationBody(team),
            """
            0a10000000000000000000000000000000c010021a045465616d2210000000000000000000000000000000012880a0f1\
            c2b13430ac02
            """
        ),
        (
            UserProfileBody(profile),
            """
            0a100000000000000000000000000000000112036164611a034164612080a0f1c2b134
            """
        ),
        (
            CreateConversation(conversation: conversation, kind: .group, title: "Team", creator: ada, members: [bob]),
            """
            0a10000000000000000000000000000000c010021a045465616d2210000000000000000000000000000000012a100000\
            0000000000000000000000000002
            """
        ),
        (
            ConversationState(conversation: team, members: [member]),
            """
            0a360a10000000000000000000000000000000c010021a045465616d2210000000000000000000000000000000012880\
            a0f1c2b13430ac0212180a1000000000000000000000000000000001100318072009
            """
        ),
        (
            GetConversation(conversation: conversation, actor: ada),
            """
            0a10000000000000000000000000000000c0121000000000000000000000000000000001
            """
        ),
        (
            UpdateConversation(conversation: conversation, actor: ada, title: "Team"),
            """
            0a10000000000000000000000000000000c01210000000000000000000000000000000011a045465616d
            """
        ),
        (
            DeleteConversation(conversation: conversation, actor: ada),
            """
            0a10000000000000000000000000000000c0121000000000000000000000000000000001
            """
        ),
        (
            AddMembers(conversation: conversation, actor: ada, users: [bob]),
            """
            0a10000000000000000000000000000000c01210000000000000000000000000000000011a1000000000000000000000\
            000000000002
            """
        ),
        (
            SetMemberRole(conversation: conversation, actor: ada, user: bob, role: .admin),
            """
            0a10000000000000000000000000000000c01210000000000000000000000000000000011a1000000000000000000000\
            0000000000022002
            """
        ),
        (
            RemoveMember(conversation: conversation, actor: ada, user: bob),
            """
            0a10000000000000000000000000000000c01210000000000000000000000000000000011a1000000000000000000000\
            000000000002
            """
        ),
        (
            ConversationSummaries(user: ada, conversations: [conversation]),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000c0
            """
        ),
        (
            ConversationSummary(conversation: team, own: member, memberCount: 2, lastMessage: message),
            """
            0a360a10000000000000000000000000000000c010021a045465616d2210000000000000000000000000000000012880\
            a0f1c2b13430ac0212180a1000000000000000000000000000000001100318072009180222590a100000000000000000\
            00000000000000c010ac021a10000000000000000000000000000000012210000000000000000000000000000000d12a\
            10000000000000000000000000000000c130013a0368c3a94080a0f1c2b134
            """
        ),
        (
            ConversationSummaryList(summaries: [
                ConversationSummary(conversation: team, own: member, memberCount: 2, lastMessage: message)
            ]),
            """
            0aaf010a360a10000000000000000000000000000000c010021a045465616d2210000000000000000000000000000000\
            012880a0f1c2b13430ac0212180a1000000000000000000000000000000001100318072009180222590a100000000000\
            00000000000000000000c010ac021a100000000000000000000000000000000122100000000000000000000000000000\
            00d12a10000000000000000000000000000000c130013a0368c3a94080a0f1c2b134
            """
        ),
        (
            ListConversations(user: ada, after: conversation, limit: 50),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000c01832
            """
        ),
        (
            ConversationIDList(conversations: [conversation], hasMore: true),
            """
            0a10000000000000000000000000000000c01001
            """
        ),
        (
            ConversationEvent(
                kind: .memberAdded,
                conversation: team,
                actor: ada,
                members: [member],
                recipients: [ada, bob]
            ),
            """
            080412360a10000000000000000000000000000000c010021a045465616d221000000000000000000000000000000001\
            2880a0f1c2b13430ac021a100000000000000000000000000000000122180a1000000000000000000000000000000001\
            1003180720092a200000000000000000000000000000000100000000000000000000000000000002
            """
        ),
        (
            RegisterUser(user: ada, username: "ada", displayName: "Ada", passwordHash: "$scrypt$", createdAt: time),
            """
            0a100000000000000000000000000000000112036164611a03416461220824736372797074242880a0f1c2b134
            """
        ),
        (
            ResolveUsername(username: "ada"),
            """
            0a03616461
            """
        ),
        (
            ResolvedUsername(user: ada),
            """
            0a1000000000000000000000000000000001
            """
        ),
        (
            GetCredentials(user: ada),
            """
            0a1000000000000000000000000000000001
            """
        ),
        (
            Credentials(profile: profile, passwordHash: "$scrypt$"),
            """
            0a230a100000000000000000000000000000000112036164611a034164612080a0f1c2b13412082473637279707424
            """
        ),
        (
            PutDevice(
                user: ada,
                device: device,
                name: "phone",
                type: "mobile",
                refreshTokenHash: [1, 2, 3],
                refreshTokenExpiresAt: time,
                now: time
            ),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000d11a0570686f6e6522066d6f62\
            696c652a030102033080a0f1c2b1343880a0f1c2b134
            """
        ),
        (
            RotateRefreshToken(
                user: ada,
                device: device,
                presentedHash: [1, 2, 3],
                newHash: [1, 2, 3],
                newExpiresAt: time,
                now: time
            ),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000d11a0301020322030102032880\
            a0f1c2b1343080a0f1c2b134
            """
        ),
        (
            RevokeDevice(user: ada, device: device, now: time),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000d11880a0f1c2b134
            """
        ),
        (
            GetUsers(users: [ada, bob]),
            """
            0a200000000000000000000000000000000100000000000000000000000000000002
            """
        ),
        (
            UserList(users: [profile]),
            """
            0a230a100000000000000000000000000000000112036164611a034164612080a0f1c2b134
            """
        ),
        (
            Attachment(attached: [ada], detached: [bob], isRegistered: true),
            """
            0a100000000000000000000000000000000112100000000000000000000000000000000218012001
            """
        ),
        (
            AudienceUpdate(conversation: ConversationID(value: 5), number: 300, kind: .attached, users: [ada, bob]),
            """
            0a100000000000000000000000000000000510ac0218022220000000000000000000000000000000010000000000000000\
            0000000000000002
            """
        ),
        (
            SessionUnknown(users: [bob], conversations: [ConversationID(value: 5)]),
            """
            0a1000000000000000000000000000000002121000000000000000000000000000000005
            """
        ),
        (
            SettleDeliveries(users: [bob], conversation: ConversationID(value: 5), through: 17),
            """
            0a10000000000000000000000000000000021210000000000000000000000000000000051811
            """
        ),
        (
            DisplaceSession(
                edge: "edge-1",
                incarnation: Incarnation(value: 5),
                user: ada,
                device: device,
                session: SessionID(value: 6)
            ),
            """
            0a06656467652d311210000000000000000000000000000000051a100000000000000000000000000000000122100000\
            00000000000000000000000000d12a1000000000000000000000000000000006
            """
        ),
        (
            ApplyOutbox(kind: .membership, payload: [1, 2, 3]),
            """
            08021203010203
            """
        ),
        (
            MembershipChange(
                user: ada,
                conversation: conversation,
                kind: .group,
                version: 4,
                removed: true,
                changedAt: time
            ),
            """
            0a10000000000000000000000000000000011210000000000000000000000000000000c01802200428013080a0f1c2b1\
            34
            """
        ),
        (
            FailureBody(Failure(.unavailable, "away", retryAfterMilliseconds: 500)),
            """
            083e12046177617918f503
            """
        ),
        (
            Empty(),
            """

            """
        ),
    ]

private func hexadecimal(_ buffer: ByteBuffer) -> String {
    buffer.readableBytesView.map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }.joined()
}

private func decode<Body: WireMessage & Equatable>(_ buffer: ByteBuffer, like body: Body) throws -> Body {
    try Body(decoding: buffer)
}

private func isEqual<Body: WireMessage & Equatable>(_ body: Body, decodedFrom buffer: ByteBuffer) throws -> Bool {
    try decode(buffer, like: body) == body
}

private func decodes<Body: WireMessage>(_ buffer: ByteBuffer, as body: Body) -> Bool {
    (try? Body(decoding: buffer)) != nil
}

@Suite("Message bodies")
struct MessageBodiesTests {
    @Test("Every body has the bytes that it always had", arguments: samples.indices)
    func golden(index: Int) {
        let sample = samples[index]
        #expect(hexadecimal(sample.body.encoded()) == sample.hexadecimal, "\(type(of: sample.body))")
    }

    @Test("Every body is read back as it was", arguments: samples.indices)
    func roundTrip(index: Int) throws {
        let body = samples[index].body
        #expect(try isEqual(body, decodedFrom: body.encoded()), "\(type(of: body))")
    }

    @Test("Fields of a later version are skipped, whatever their type", arguments: samples.indices)
    func laterFields(index: Int) throws {
        let body = samples[index].body
        var buffer = ByteBuffer(bytes: [0xC0, 0x3E, 0x07])  // field 1000, varint
        buffer.writeBytes([0xC2, 0x3E, 0x02, 0xFF, 0xFF])  // length-delimited
        buffer.writeBytes([0xC1, 0x3E] + [UInt8](repeating: 1, count: 8))  // 64 bits
        buffer.writeBytes([0xC5, 0x3E] + [UInt8](repeating: 1, count: 4))  // 32 bits
        buffer.writeImmutableBuffer(body.encoded())
        #expect(try isEqual(body, decodedFrom: buffer), "\(type(of: body))")
    }

    @Test("No prefix and no damaged copy crashes the reader", arguments: samples.indices)
    func damaged(index: Int) {
        let body = samples[index].body
        let whole = body.encoded()
        for length in 0..<whole.readableBytes {
            _ = decodes(whole.getSlice(at: 0, length: length) ?? whole, as: body)
        }
        var state: UInt64 = 0x7472_756E_6B6C_696E
        for _ in 0..<300 where whole.readableBytes > 0 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var copy = whole
            copy.setInteger(UInt8(truncatingIfNeeded: state >> 33), at: Int(state >> 40) % whole.readableBytes)
            _ = decodes(copy, as: body)
        }
    }

    @Test("The list of samples holds every body that the kinds of requests and notifications need")
    func complete() {
        #expect(Set(samples.map { "\(type(of: $0.body))" }).count == samples.count)
        #expect(samples.count == 50)
    }

    @Test("Lengths beyond the buffer, long varints and wrong types are refused")
    func hostile() {
        for bytes in [
            [0x0A], [0x0A, 0x10], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [UInt8](repeating: 0xFF, count: 11), [0x00, 0x01], [0x0B], [0x0F], [0x08, 0x01], [0x0A, 0x01, 0x00],
        ] as [[UInt8]] {
            #expect(throws: FieldError.self, "\(bytes)") {
                try GetCredentials(decoding: ByteBuffer(bytes: bytes))
            }
        }
    }

    @Test("A list over its bound is refused before it is taken")
    func listBound() {
        let many = [UserID](repeating: ada, count: Limits.membersPerRequestMax + 1)
        #expect(throws: FieldError.tooMany(field: 1)) {
            try GetUsers(decoding: GetUsers(users: many).encoded())
        }
    }

    @Test(
        "Text that is not UTF-8, or holds what Postgres cannot store, is refused",
        arguments: [[0xFF], [0x61, 0x00]]
    )
    func text(bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: [0x0A, UInt8(bytes.count)])
        buffer.writeBytes(bytes)
        #expect(throws: FieldError.invalidValue(field: 1)) { try ResolveUsername(decoding: buffer) }
    }

    @Test("A body over the limit of a message is refused")
    func bodyBound() {
        var submit = Submit(
            conversation: conversation,
            sender: ada,
            senderDevice: device,
            clientMessageID: client,
            kind: .text,
            body: String(repeating: "x", count: Limits.messageBodyBytesMax)
        )
        #expect(throws: Never.self) { try Submit(decoding: submit.encoded()) }
        submit.body += "x"
        #expect(throws: FieldError.invalidValue(field: 6)) { try Submit(decoding: submit.encoded()) }
    }

    @Test("The routing table travels whole")
    func routing() throws {
        let map = try #require(ShardMap(dealing: ["shard-1", "shard-2"]))
        let views = [View(shard: "shard-1", epoch: 3, routers: ["router-1@0192", "router-2@0193"])]
        let news = RoutingNews(map: map, views: views)
        #expect(try RoutingNews(decoding: news.encoded()) == news)
    }

    @Test("A router of an earlier version asks without the conversation")
    func settlementOfAnEarlierVersion() throws {
        let question = SettleDeliveries(users: [UserID(value: 2)], conversation: nil, through: 0)
        let users: [UInt8] = [0x0A, 0x10] + [UInt8](repeating: 0, count: 15) + [2]
        #expect(try SettleDeliveries(decoding: ByteBuffer(bytes: users)) == question)
    }

    @Test("An error code of a later version is told as an internal error, not refused")
    func laterErrorCode() throws {
        let body = try FailureBody(decoding: ByteBuffer(bytes: [0x08, 0xFF, 0x7F]))
        #expect(body.failure.code == .internal)
    }
}
