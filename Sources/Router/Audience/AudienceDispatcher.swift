// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import NIOCore
import Synchronization
import Wire

/// Where an audience asks and sends to.
package protocol AudienceTransport: AnyObject, Sendable {
    /// Asks the registry; the completion comes once, on any thread.
    func lookUp(_ users: [UserID], completion: @escaping @Sendable (Audience.Answer) -> Void)
    /// Puts a notification on the link to an edge. Returns whether the link took it; the edge is told of the gap if not.
    @discardableResult
    func notify(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) -> Bool
    /// The same for what may be dropped.
    func notifyEphemeral(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String)
    /// The completion comes when what was put on the links before cannot reach those who left any more; on any thread.
    func settle(_ departure: Departure, completion: @escaping @Sendable () -> Void)
    /// Changes with these positions were put on the links before.
    func finished(_ positions: [UInt64])
    /// Has another router pass something on; the completion comes once, on any thread. What is given for one router is
    /// passed on in its order.
    func relay(_ relay: Relay, through router: String, completion: @escaping @Sendable (RelayOutcome) -> Void)
    /// It was passed on to these edges. Comes before the changes count as put on the links.
    func relayed(to edges: Set<String>, through reached: RelayedThrough)
    /// Something for the edge did not get there: it is told of the gap.
    func missed(by edge: String)
}

/// Carries out an ``Audience`` on one event loop.
///
/// The loop is what keeps order: parcels, announcements and answers of the registry are taken up one after the other,
/// and what they come to is put on the links before the next. Conversations are spread over several dispatchers; the
/// parcels of one conversation always take the same.
package final class AudienceDispatcher: Sendable {
    private let loop: any EventLoop
    private let transport: any AudienceTransport
    private let state: NIOLoopBoundBox<State>
    private let counts = Mutex(Counts())

    /// For metrics; as of the last event.
    package struct Counts: Sendable {
        package var conversations = 0
        package var waiting = 0
        package var framesSent: UInt64 = 0
        package var broadcastFramesSent: UInt64 = 0
        package var lookUps: UInt64 = 0
        /// Requests to other routers to pass something on, by what became of them.
        package var passedOn: UInt64 = 0
        package var notPassedOn: UInt64 = 0
    }

    /// - Parameters:
    ///   - own: the name of this router.
    ///   - relayedFrom: see ``Audience``.
    package init(
        loop: any EventLoop,
        transport: any AudienceTransport,
        own: String = "",
        relayedFrom: Int = .max
    ) {
        self.loop = loop
        self.transport = transport
        let audience = Audience(own: own, relayedFrom: relayedFrom)
        self.state = NIOLoopBoundBox.makeBoxSendingValue(State(audience), eventLoop: loop)
    }

    /// A reference, so that the audience is changed in place.
    private final class State {
        var audience: Audience

        init(_ audience: Audience) {
            self.audience = audience
        }
    }

    /// Changes that count as put on the links when the last router has answered; confined to the loop.
    private final class Awaited {
        var answers: Int
        let positions: [UInt64]

        init(answers: Int, positions: [UInt64]) {
            self.answers = answers
            self.positions = positions
        }
    }

    package var currentCounts: Counts { self.counts.withLock { $0 } }

    /// From any thread. Parcels of one caller stay in order.
    package func deliver(_ parcels: [Parcel]) {
        guard !parcels.isEmpty else { return }
        self.loop.execute {
            let now = WallClock.now()
            for parcel in parcels {
                self.carryOut(self.state.value.audience.deliver(parcel, now: now))
            }
        }
    }

    /// From any thread.
    package func attachmentChanged(edge: String, _ attachment: Attachment) {
        self.loop.execute {
            let state = self.state.value
            state.audience.registrationChanged(
                edge: edge,
                isRegistered: attachment.isRegistered,
                takesAudiences: attachment.takesAudiences,
                registry: attachment.registry
            )
            self.carryOut(
                state.audience.attachmentChanged(
                    edge: edge,
                    attached: attachment.attached,
                    detached: attachment.detached
                )
            )
        }
    }

    /// From any thread.
    package func forget(_ unknown: SessionUnknown) {
        self.loop.execute {
            self.state.value.audience.forget(unknown.users)
            self.state.value.audience.forget(conversations: unknown.conversations)
        }
    }

    /// From any thread.
    package func linksChanged(_ linked: Set<EdgeLife>) {
        self.loop.execute {
            self.state.value.audience.linksChanged(linked)
        }
    }

    /// A router says which edges it passes things on to. From any thread.
    package func reaches(_ router: String, _ reach: RelayReach) {
        self.loop.execute {
            self.state.value.audience.planChanged {
                $0.reaches(router, isWhole: reach.isWhole, came: reach.came, gone: reach.gone)
            }
        }
    }

    /// A router has no link any more. From any thread.
    package func lost(router: String) {
        self.loop.execute {
            self.state.value.audience.planChanged { $0.lost(router) }
        }
    }

    /// From any thread: calls back on the loop with what is known of an audience; nothing is looked up for it.
    package func withKnown(_ conversation: ConversationID, _ body: @escaping @Sendable (Audience.Known?) -> Void) {
        self.loop.execute {
            body(self.state.value.audience.known(conversation, now: WallClock.now()))
        }
    }

    private func carryOut(_ actions: [Audience.Action]) {
        var sent: UInt64 = 0
        var broadcast: UInt64 = 0
        var lookUps: UInt64 = 0
        var finished: [UInt64] = []
        var batches = RelayBatches()
        for action in actions {
            switch action {
            case .finished(let position): finished.append(position)
            case .lookUp(let conversation, let token, let users):
                lookUps += 1
                self.transport.lookUp(users) { answer in
                    self.loop.execute {
                        let now = WallClock.now()
                        let state = self.state.value
                        self.carryOut(state.audience.lookedUp(conversation, token: token, answer: answer, now: now))
                    }
                }
            case .send(let edge, let parcel, let recipients, let number, let isBroadcast):
                sent += 1
                broadcast += isBroadcast ? 1 : 0
                self.send(parcel, to: edge, recipients: recipients, number: number, isBroadcast: isBroadcast)
            case .tell(let edge, let update):
                guard !self.transport.notify(.audience, update.encoded(), edge: edge) else { break }
                self.state.value.audience.forget(conversations: [update.conversation])
            case .sendThrough(let relay, let edge, let parcel, let recipients, let number):
                guard case .message(let message) = parcel.content else {
                    preconditionFailure("only messages are passed on")
                }
                sent += 1
                batches.add(to: relay) { $0.add(message, edge: edge, recipients: recipients, audience: number) }
            case .tellThrough(let relay, let edge, let update):
                batches.add(to: relay) { $0.add(update, edge: edge) }
            case .settle(let departure, let completion):
                self.transport.settle(departure, completion: completion)
            }
        }
        self.passOn(batches.all, then: finished)
        let conversations = self.state.value.audience.conversationCount
        let waiting = self.state.value.audience.waitingCount
        self.counts.withLock { counts in
            counts.conversations = conversations
            counts.waiting = waiting
            counts.framesSent += sent
            counts.broadcastFramesSent += broadcast
            counts.lookUps += lookUps
        }
    }

    // MARK: - Passing on

    private func passOn(_ batches: [RelayBatch], then finished: [UInt64]) {
        guard !batches.isEmpty else {
            if !finished.isEmpty { self.transport.finished(finished) }
            return
        }
        let awaited = NIOLoopBound(Awaited(answers: batches.count, positions: finished), eventLoop: self.loop)
        for batch in batches {
            self.transport.relay(batch.request, through: batch.router) { outcome in
                self.loop.execute {
                    self.answered(batch, outcome)
                    awaited.value.answers -= 1
                    guard awaited.value.answers == 0, !awaited.value.positions.isEmpty else { return }
                    self.transport.finished(awaited.value.positions)
                }
            }
        }
    }

    private func answered(_ batch: RelayBatch, _ outcome: RelayOutcome) {
        let state = self.state.value
        switch outcome {
        case .passedOn(let answer):
            let untaken = Set(answer.untaken)
            self.transport.relayed(to: batch.edges.subtracting(untaken), through: answer.reached)
            for edge in untaken {
                state.audience.planChanged { $0.cannotReach(edge, through: batch.router) }
                self.missed(edge, batch)
            }
        case .refused:
            state.audience.planChanged { $0.lost(batch.router) }
            self.sendDirectly(batch)
        case .unknown:
            state.audience.planChanged { $0.lost(batch.router) }
            for edge in batch.edges { self.missed(edge, batch) }
        }
        self.counts.withLock { counts in
            if case .passedOn = outcome { counts.passedOn += 1 } else { counts.notPassedOn += 1 }
        }
    }

    /// What the edge was told of whom a number means may have been lost too.
    private func missed(_ edge: String, _ batch: RelayBatch) {
        self.transport.missed(by: edge)
        self.state.value.audience.forget(conversations: batch.conversations(of: edge))
    }

    private func sendDirectly(_ batch: RelayBatch) {
        for item in batch.request.items {
            guard let kind = NotificationKind(rawValue: item.kind) else { continue }
            for target in item.targets {
                var (payload, rest) = (item.body, target.rest)
                payload.writeBuffer(&rest)
                guard !self.transport.notify(kind, payload, edge: target.edge), kind == .audience else { continue }
                self.state.value.audience.forget(conversations: batch.conversations(of: target.edge))
            }
        }
    }

    private func send(
        _ parcel: Parcel,
        to edge: String,
        recipients: [UserID],
        number: UInt64,
        isBroadcast: Bool
    ) {
        switch parcel.content {
        case .message(let message):
            let deliver = Deliver(
                message: message,
                recipients: number > 0 ? [] : recipients,
                isBroadcast: isBroadcast,
                audience: number
            )
            self.transport.notify(.deliver, deliver.encoded(), edge: edge)
        case .event(var event):
            event.recipients = recipients
            self.transport.notify(.conversationEvent, event.encoded(), edge: edge)
        case .receipts(let entries, let isPrivate):
            let here = Set(recipients)
            let event = ReceiptsEvent(
                conversation: parcel.conversation,
                entries: isPrivate ? entries.filter { here.contains($0.user) } : entries,
                recipients: recipients,
                isPrivate: isPrivate
            )
            self.transport.notify(.receipts, event.encoded(), edge: edge)
        case .typing(var typing):
            typing.recipients = recipients
            self.transport.notifyEphemeral(.typingTold, typing.encoded(), edge: edge)
        case .settlement:
            preconditionFailure("a settlement is sent to no edge")
        }
    }
}
