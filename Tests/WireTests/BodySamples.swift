// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement
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
let bodySamples: [(body: any WireMessage & Equatable, hexadecimal: String)] =
    receiptSamples + relaySamples + [
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
            Attachment(attached: [ada], detached: [bob], isRegistered: true, registry: "run"),
            """
            0a1000000000000000000000000000000001121000000000000000000000000000000002180120012801320372756e
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
            OperateNode(.drain, rate: 100, windowMilliseconds: 1000, count: 5, targets: ["a:1"]),
            "0801106418e80720052a03613a31"
        ),
        (
            NodeReport(state: .draining, sessions: 3, asked: 7, slots: 2, shedding: 300, obstacles: ["x"]),
            "08011003180720022a017830ac02"
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
