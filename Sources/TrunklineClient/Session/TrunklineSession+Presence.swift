// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
package import Messaging
internal import NIOCore

extension TrunklineSession {
    /// Watches the members of these conversations and of no others, on this connection and on every later one; who is
    /// seen how comes as ``Event/presence(_:)``. At most ``Limits/watchedConversationsMax`` conversations. Tried until it
    /// is granted, or refused for good: then the former conversations are watched, and the error is an ``Event/other(_:)``.
    package func watchPresence(in conversations: [ConversationID]) {
        self.eventLoop.preconditionInEventLoop()
        self.watchedConversations = conversations
        self.sendWatch()
    }

    func sendWatch() {
        guard case .open(let socket) = self.phase else { return }
        self.watchCommand = socket.perform(.watchPresence(.init(conversationIDs: self.watchedConversations)))
    }

    func watchGranted(_ id: CommandID) {
        guard let command = self.watchCommand, id == .number(command) else { return }
        self.watchCommand = nil
        self.watchRefusals = 0
    }

    /// Returns whether it is tried again.
    func watchRefused(_ error: TrunklineError) -> Bool {
        self.watchCommand = nil
        guard error.isRetryable else { return false }
        self.watchRefusals += 1
        self.statistics.retryableErrors[error.name, default: 0] += 1
        var pause = self.settings.retry.pause(attempt: self.watchRefusals, using: &self.generator)
        if let asked = error.retryAfterMilliseconds { pause = max(pause, .milliseconds(Int64(asked))) }
        let connections = self.statistics.connections
        self.eventLoop.assumeIsolated().scheduleTask(in: pause) {
            // A new connection, or another list, has sent it meanwhile.
            guard self.watchCommand == nil, self.statistics.connections == connections else { return }
            self.sendWatch()
        }
        return true
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
