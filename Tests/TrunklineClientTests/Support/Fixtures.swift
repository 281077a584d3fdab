// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOPosix
import Synchronization
import TrunklineClient

/// Something that a test puts together on an event loop and reads elsewhere.
final class Collected<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])

    func add(_ value: Value) {
        self.values.withLock { $0.append(value) }
    }

    var all: [Value] { self.values.withLock { $0 } }
}

/// An object that belongs to an event loop, for a test that does not.
struct OnLoop<Object>: Sendable {
    let eventLoop: any EventLoop
    private let bound: NIOLoopBound<Object>

    static func make(
        on eventLoop: any EventLoop,
        _ body: @escaping @Sendable () -> Object
    ) async throws -> OnLoop<Object> {
        try await eventLoop.submit {
            OnLoop(eventLoop: eventLoop, bound: NIOLoopBound(body(), eventLoop: eventLoop))
        }.get()
    }

    @discardableResult
    func ask<Answer: Sendable>(_ body: @escaping @Sendable (Object) -> Answer) async throws -> Answer {
        let bound = self.bound
        return try await self.eventLoop.submit { body(bound.value) }.get()
    }
}

enum Fixtures {
    static let user = UserID.generate()
    static let device = DeviceID.generate()
    static let conversation = ConversationID.generate()

    static func tokens(expiresIn: Int = 900, access: String = "access", refresh: String = "refresh") -> TokenResponse {
        TokenResponse(
            userID: Self.user,
            deviceID: Self.device,
            accessToken: access,
            refreshToken: refresh,
            expiresIn: expiresIn
        )
    }

    /// As a sync brings them; the state is the number that was delivered.
    static func receipts(_ watermarks: Watermarks) -> SyncReceipts {
        SyncReceipts(
            ConversationReceipts(
                conversation: Self.conversation,
                stateVersion: watermarks.delivered,
                entries: [MemberWatermarks(user: Self.user, watermarks: watermarks)]
            )
        )
    }

    static func authenticated(inFlight: Int = 100) -> Authenticated {
        Authenticated(
            userID: Self.user,
            deviceID: Self.device,
            sessionID: .generate(),
            heartbeatMilliseconds: 30_000,
            limits: .init(bodyBytes: 65_536, frameBytes: 131_072, inFlight: inFlight)
        )
    }

    static func request(_ body: String) -> SendMessageRequest {
        SendMessageRequest(conversationID: Self.conversation, clientMessageID: .generate(), kind: .text, body: body)
    }

    static func message(_ seq: UInt64, _ body: String, id: ClientMessageID = .generate()) -> DeliveredMessage {
        DeliveredMessage(
            messageID: MessageID(conversation: Self.conversation, seq: seq),
            conversationID: Self.conversation,
            seq: seq,
            senderID: .generate(),
            clientMessageID: id,
            kind: .text,
            body: body,
            createdAt: Timestamp(1_700_000_000_000)
        )
    }

    static func sent(_ request: SendMessageRequest, seq: UInt64, isDuplicate: Bool = false) -> MessageSent {
        MessageSent(
            conversationID: request.conversationID,
            clientMessageID: request.clientMessageID,
            seq: seq,
            createdAt: Timestamp(1_700_000_000_000),
            isDuplicate: isDuplicate
        )
    }

    /// Runs a test with event loops of its own.
    static func withEventLoops(_ body: (MultiThreadedEventLoopGroup) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            try await body(group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }
}
