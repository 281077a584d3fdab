// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// Catching up with one command: after each connection and each `resync` the session says how far it has come in all
/// conversations, and is sent what it missed. What that does not bring (`too_far`, an edge that cannot do it) is asked
/// for over REST. ``ConversationCursor`` stays the judge of what is handed over, and in which order.
extension TrunklineSession {
    /// Bytes of one cursor in a command: an id and two numbers.
    private static let cursorBytes = 88
    /// Bytes of a command beside its cursors: the resume token, most of all.
    private static let commandBytes = SyncRequest.resumeBytesMax + 512

    func syncAll(isNewConnection: Bool) {
        if isNewConnection {
            for conversation in Array(self.cursors.keys) { self.cursors[conversation]?.connected() }
            self.syncUnderWay = nil
        }
        self.needsSync = true
        self.syncIfNeeded()
    }

    private func syncIfNeeded() {
        guard self.needsSync, self.syncUnderWay == nil, case .open(let socket) = self.phase else { return }
        let named = self.cursors.prefix(SyncRequest.cursorsMax)
        let request = SyncRequest(
            cursors: Dictionary(uniqueKeysWithValues: named.map { ($0.key, $0.value.next - 1) }),
            states: self.states,
            wantsReceipts: true,
            resume: named.count == self.cursors.count ? self.resume : nil
        )
        let perPart = max(1, (socket.frameBytesMax - Self.commandBytes) / Self.cursorBytes)
        guard let command = socket.sync(request, cursorsPerPart: perPart) else { return self.scheduleSync(attempt: 1) }
        self.needsSync = false
        self.syncUnderWay = command
        self.statistics.syncs += 1
        for conversation in self.cursors.keys where !named.contains(where: { $0.key == conversation }) {
            self.catchUp(conversation)
        }
    }

    private func scheduleSync(attempt: Int) {
        let pause = self.settings.retry.pause(attempt: attempt, using: &self.generator)
        self.needsSync = true
        self.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.syncIfNeeded() }
    }

    func receivedSyncMessages(_ page: SyncMessages) {
        // Conversations that nobody follows begin with what comes live.
        guard self.cursors[page.conversationID] != nil else { return }
        self.statistics.syncPages += 1
        for message in page.messages {
            self.take(message, .caughtUp) { $0.caughtUp(message) }
        }
    }

    func receivedSyncReceipts(_ fields: SyncReceipts) {
        guard self.cursors[fields.conversationID] != nil else { return }
        self.states[fields.conversationID] = max(fields.state, self.states[fields.conversationID] ?? 0)
        for row in fields.receipts {
            self.receivedReceipt(row.watermarks, of: row.userID, in: fields.conversationID)
        }
    }

    func receivedSynced(_ command: UInt64, _ fields: Synced) {
        guard command == self.syncUnderWay else { return }
        self.syncUnderWay = nil
        // With the cursors, which have what came before.
        self.resume = fields.resume
        for conversation in fields.tooFar where self.cursors[conversation.conversationID] != nil {
            self.catchUp(conversation.conversationID)
        }
        for conversation in fields.receiptsLeftOut where self.cursors[conversation] != nil {
            self.refreshReceipts(conversation)
        }
        self.emit(.other(.synced(.number(command), fields)))
        if fields.unavailable.isEmpty {
            self.syncIfNeeded()
        } else {
            self.scheduleSync(attempt: 4)
            let count = fields.unavailable.count
            self.emit(.delayed(TrunklineError(.server(.unavailable), "A sync left out \(count) conversations.")))
        }
        self.noteCaughtUp()
    }

    /// Returns whether the refusal was one of a sync.
    func receivedSyncRefusal(_ command: UInt64, _ error: TrunklineError) -> Bool {
        guard command == self.syncUnderWay else { return false }
        self.syncUnderWay = nil
        self.resume = nil
        if error.isRetryable {
            self.scheduleSync(attempt: 2)
            self.emit(.delayed(error))
        } else {
            // An edge of an earlier version does not know the command.
            for conversation in Array(self.cursors.keys) { self.catchUp(conversation) }
        }
        self.noteCaughtUp()
        return true
    }
}
