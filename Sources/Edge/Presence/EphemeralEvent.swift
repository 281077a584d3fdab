// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Wire

/// An event for sessions of one event loop that may be dropped: presence or typing, encoded once for all of them.
struct EphemeralEvent: Sendable {
    /// Events that may wait for one event loop; more are dropped.
    static let waitingMax = 8192

    /// Of two events that wait with the same key only the newer one matters.
    enum Key: Hashable, Sendable {
        case presence(UserID)
        case typing(ConversationID, UserID)
    }

    enum Receivers: Sendable {
        case sessions([SessionID])
        case users([UserID], excluding: DeviceID)
    }

    var key: Key
    var frame: EventFrames
    var receivers: Receivers
}

extension Typing {
    /// The event as clients see it.
    var event: ServerMessage {
        .typing(
            TypingEvent(
                conversationID: self.conversation,
                userID: self.user,
                isTyping: self.isTyping,
                expiresInMilliseconds: self.isTyping ? TypingThrottle.expiryMilliseconds : 0
            )
        )
    }
}
