// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Observability
internal import Wire

/// The commands of a session about presence and typing.
extension SessionHandler {
    func presence(_ command: ClientCommand, owner: Session.Owner, id: CommandID) {
        switch command {
        case .watchPresence(let fields):
            let watcher = PresenceWatches.Watcher(session: self.id, loop: self.loop.number, user: owner.user)
            self.services.presence.watch(fields.conversationIDs, for: watcher, id: id)
        case .setStatus(let fields):
            let (loop, session) = (self.loop, self.id)
            guard !self.isSettingStatus else { return self.send(.error(id, .statusUnderWay)) }
            self.isSettingStatus = true
            self.services.presence.setStatus(of: owner.user, fields) { result in
                switch result {
                case .success(let status): loop.post(.statusEnded(.statusSet(id, status)), to: session)
                case .failure(let failure): loop.post(.statusEnded(.error(id, failure)), to: session)
                }
            }
        case .setTyping(let fields):
            self.typing(fields, owner: owner)
        case .authenticate, .sendMessage, .sync, .messageDelivered, .messageRead, .ping:
            break
        }
    }

    // MARK: - What there was no room for

    func presenceMissed(_ user: UserID) {
        guard self.openOwner != nil else { return }
        if self.missedPresence == nil { self.missedPresence = [] }
        self.missedPresence?.insert(user)
    }

    /// When there may be room: what was missed comes again, as it is now.
    func askForMissedPresence() {
        guard let missed = self.missedPresence, let owner = self.openOwner else { return }
        self.missedPresence = nil
        let watcher = PresenceWatches.Watcher(session: self.id, loop: self.loop.number, user: owner.user)
        self.services.presence.tellAgain(missed, to: watcher)
    }

    func write(presence frames: [PresenceWatches.Frame]) {
        for frame in frames where !self.writeEphemeral(frame.frames) { self.presenceMissed(frame.user) }
    }

    // MARK: - Typing

    private func typing(_ fields: ClientCommand.SetTyping, owner: Session.Owner) {
        var throttle = self.typing ?? TypingThrottle()
        guard throttle.passes(fields.conversationID, isTyping: fields.isTyping, now: self.now) else {
            self.services.metrics.ephemeral.typingMerged.increment()
            return
        }
        self.typing = throttle
        self.services.presence.types(
            Typing(
                conversation: fields.conversationID,
                user: owner.user,
                device: owner.device,
                isTyping: fields.isTyping
            )
        )
    }
}

extension Failure {
    fileprivate static let statusUnderWay = Failure(
        .overloaded,
        "A change of the status is under way: wait for its answer.",
        retryAfterMilliseconds: 500
    )
}
