// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
package import Messaging
internal import NIOCore

extension TrunklineSession {
    /// Watches the members of these conversations and of no others, on this connection and on every later one; who is
    /// seen how comes as ``Event/presence(_:)``. At most ``Limits/watchedConversationsMax`` conversations.
    package func watchPresence(in conversations: [ConversationID]) {
        self.eventLoop.preconditionInEventLoop()
        self.watchedConversations = conversations
        self.sendWatch()
    }

    func sendWatch() {
        guard case .open(let socket) = self.phase else { return }
        _ = socket.perform(.watchPresence(.init(conversationIDs: self.watchedConversations)))
    }

    /// Changes what is not nil, for all devices of the user.
    ///
    /// - Returns: False when there is no connection: nothing was sent.
    package func setStatus(_ status: ChosenStatus?, visibleTo: PresenceVisibility? = nil) -> Bool {
        self.eventLoop.preconditionInEventLoop()
        guard case .open(let socket) = self.phase else { return false }
        return socket.perform(.setStatus(.init(status: status, visibleTo: visibleTo))) != nil
    }

    /// Tells the others in a conversation that the user types, or has stopped; as often as one likes. Without a
    /// connection nobody is told.
    package func types(in conversation: ConversationID, isTyping: Bool = true) {
        self.eventLoop.preconditionInEventLoop()
        guard case .open(let socket) = self.phase else { return }
        _ = socket.perform(.setTyping(.init(conversationID: conversation, isTyping: isTyping)))
    }
}
