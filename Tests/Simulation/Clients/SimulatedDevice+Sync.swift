// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging

/// Catching up with one command, as the client library does it after each connection and each `resync`.
extension SimulatedDevice {
    struct Syncing {
        /// The command that has no answer yet.
        var underWay: UInt64?
        /// Something may have been missed that no sync was asked for yet.
        var isNeeded = false
        var resume: String?
        var states: [ConversationID: UInt64] = [:]
    }

    func syncAll(isNewConnection: Bool) {
        if isNewConnection { self.syncing.underWay = nil }
        self.syncing.isNeeded = true
        self.syncIfNeeded()
    }

    private func syncIfNeeded() {
        guard self.syncing.isNeeded, self.syncing.underWay == nil, let (link, edge) = self.connection else { return }
        let command = self.takeCommand()
        let request = SyncRequest(
            cursors: self.positions,
            states: self.syncing.states,
            wantsReceipts: true,
            resume: self.syncing.resume
        )
        self.syncing.isNeeded = false
        self.syncing.underWay = command
        link.send(from: self) { edge.syncReceived(request, command, link) }
    }

    private func syncLater() {
        self.syncing.isNeeded = true
        self.later(self.world.duration(.milliseconds(50)...(.milliseconds(400)))) { [weak self] in
            self?.syncIfNeeded()
        }
    }

    func syncMessages(_ page: SyncMessages, _ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        for message in page.messages { self.caughtUp(message) }
    }

    func syncReceipts(_ fields: SyncReceipts, _ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        self.syncing.states[fields.conversationID] = fields.state
        for row in fields.receipts { self.receiptReceived(row.watermarks, of: row.userID, in: fields.conversationID) }
    }

    func synced(_ command: UInt64, _ fields: Synced, _ link: SimulatedLink) {
        guard self.isCurrent(link), command == self.syncing.underWay else { return }
        self.world.note("\(self.name) has synced, \(fields.isFull ? "all" : "changes"), \(fields.resume ?? "no token")")
        self.syncing.underWay = nil
        self.syncing.resume = fields.resume
        for conversation in fields.tooFar { self.catchUp(conversation.conversationID) }
        guard fields.unavailable.isEmpty else { return self.syncLater() }
        self.syncIfNeeded()
    }

    func syncRefused(_ command: UInt64, _ failure: Failure) {
        guard command == self.syncing.underWay else { return }
        self.world.note("\(self.name) is refused a sync: \(failure.code.name)")
        self.syncing.underWay = nil
        self.syncing.resume = nil
        self.syncLater()
    }

    func resync(_ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        self.syncAll(isNewConnection: false)
    }

    func ponged(_ token: String, _ link: SimulatedLink) {
        guard self.isCurrent(link), self.syncing.underWay == nil, !self.syncing.isNeeded else { return }
        self.syncing.resume = token
    }
}
