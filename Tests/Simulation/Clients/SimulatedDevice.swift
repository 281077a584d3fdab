// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Placement
import Storage
import TrunklineClient
import Wire

/// One device of a user: the client library's ``Outbox`` and ``ConversationCursor``, over simulated connections. It writes
/// down what it hands over.
package final class SimulatedDevice: SimulatedNode {
    /// Without an answer for this long the connection is given up.
    private static let answerTimeout = TimeAmount.seconds(5)
    private static let connectTimeout = UInt64.seconds(3)
    private static let tickInterval = UInt64.seconds(1)
    /// Before a device that may do so asks for pages; and before one that need not takes a gap for a breach.
    private static let gapPatience = UInt64.milliseconds(200)
    private static let gapPatienceMax = UInt64.seconds(30)
    /// As the silence after which a client's connection counts as dead.
    private static let silence = UInt64.seconds(4)

    private enum Phase {
        case away
        case waiting
        case connecting(SimulatedLink)
        case open(SimulatedLink)
    }

    package struct HandedOver: Equatable {
        package var seq: UInt64
        package var body: String
    }

    package struct Acknowledged {
        package var conversation: ConversationID
        package var clientMessageID: ClientMessageID
        package var seq: UInt64
        package var body: String
        package var time: UInt64
    }

    private unowned let cluster: SimulatedCluster
    package let user: UserID
    package let id: DeviceID
    private var phase = Phase.waiting
    private var edge: SimulatedEdge?
    private var outbox = Outbox(messagesMax: 10_000, timeLimit: .hours(10))
    private var cursors: [ConversationID: ConversationCursor] = [:]
    var syncing = Syncing()
    var receipts = ReceiptTracker()
    var receiptsAreScheduled = false
    let sendsReceipts: Bool
    /// Whether pages are asked for where a message is missing. Where not, what the cluster says has to suffice: syncs, and
    /// `resync` when one is due.
    private let asksForPages: Bool
    private var nextCommand: UInt64 = 1
    private var failures = 0
    private var wantsToBeAway = false
    /// What was handed over, by conversation, in order.
    package private(set) var handedOver: [ConversationID: [HandedOver]] = [:]
    package private(set) var acknowledged: [Acknowledged] = []
    /// Everything that came live, in the order of its arrival.
    package private(set) var arrived: [(conversation: ConversationID, seq: UInt64, body: String, time: UInt64)] = []
    package private(set) var refusals: [Failure] = []
    /// Gaps that were found although the cluster said nothing of anything missing.
    package private(set) var silentGaps = 0
    /// Gaps that stayed open as if nobody knew of them.
    package private(set) var gapsUntold = 0
    /// Messages of others that came once more, live or by a sync.
    package private(set) var repeats = 0
    /// What came with a page over REST: the same message may be on its way over the link, once.
    private var paged: [ConversationID: Set<UInt64>] = [:]
    /// What was answered to receipts: the largest, by conversation.
    package var acknowledgedReceipts: [ConversationID: Watermarks] = [:]
    package var receiptsWentBack = 0
    package var receiptRefusals: [Failure] = []

    init(
        name: String,
        user: UserID,
        cluster: SimulatedCluster,
        conversations: [ConversationID],
        sendsReceipts: Bool
    ) {
        self.cluster = cluster
        self.sendsReceipts = sendsReceipts
        self.asksForPages = cluster.world.chance(0.3)
        self.user = user
        self.id = cluster.world.identifier()
        for conversation in conversations { self.cursors[conversation] = ConversationCursor(after: 0) }
        super.init(name: name, world: cluster.world)
        self.tick()
    }

    override func crashed() {
        self.phase = .away
        self.edge = nil
    }

    package var unanswered: Int { self.outbox.count }
    package var isOpen: Bool { if case .open = self.phase { true } else { false } }

    package var isCaughtUp: Bool {
        self.isOpen && self.cursors.allSatisfy { !$0.value.hasGap || !self.isMember($0.key) } && self.pagesUnderWay == 0
            && self.syncing.underWay == nil && !self.syncing.isNeeded && self.receipts.isIdle
    }

    /// Who was removed may have got something from behind what is not to be had any more.
    private func isMember(_ conversation: ConversationID) -> Bool {
        let members = self.cluster.shard(of: conversation).rows[conversation]?.state.members ?? []
        return members.contains { $0.user == self.user }
    }

    /// While it is open.
    var connection: (SimulatedLink, SimulatedEdge)? {
        guard case .open(let link) = self.phase, let edge = self.edge else { return nil }
        return (link, edge)
    }

    /// By conversation the last message that was handed over.
    var positions: [ConversationID: UInt64] { self.cursors.mapValues { $0.next - 1 } }

    func watermarks(of user: UserID, in conversation: ConversationID) -> Watermarks {
        self.receipts.watermarks(of: user, in: conversation)
    }

    func takeCommand() -> UInt64 {
        defer { self.nextCommand += 1 }
        return self.nextCommand
    }

    private var pagesUnderWay = 0

    // MARK: - Connecting

    private func tick() {
        switch self.phase {
        case .waiting where !self.wantsToBeAway: self.connect()
        case .open:
            if let sent = self.outbox.oldestSent, self.world.deadlineNow - sent >= Self.answerTimeout {
                self.drop("no answer")
            } else if let (link, edge) = self.connection {
                link.send(from: self) { edge.pingReceived(link) }
            }
        case .waiting, .away, .connecting: break
        }
        self.later(Self.tickInterval) { [weak self] in self?.tick() }
    }

    private func connect() {
        let living = self.cluster.edges.filter(\.isAlive)
        guard !living.isEmpty else { return self.pauseAndConnect() }
        let edge = living[Int(self.world.duration(0...UInt64(living.count - 1)))]
        self.edge = edge
        let link = SimulatedLink(world: self.world, self, edge, silence: Self.silence, redials: false)
        self.phase = .connecting(link)
        link.open(
            SimulatedLink.Ends(
                up: { [weak self, unowned link] in
                    guard let self else { return }
                    link.send(from: self) { edge.authenticate(self, link: link) }
                },
                down: { [weak self, unowned link] in self?.disconnected(link) }
            ),
            SimulatedLink.Ends(up: {}, down: { [unowned link] in edge.disconnected(link) })
        )
        self.later(Self.connectTimeout) { [weak self, weak link] in
            guard let self, let link, case .connecting(let current) = self.phase, current === link else { return }
            self.drop("not authenticated in time")
        }
    }

    private func pauseAndConnect() {
        guard !self.wantsToBeAway else {
            self.phase = .away
            return
        }
        self.phase = .waiting
        self.failures += 1
        let longest = min(UInt64.milliseconds(100) << UInt64(min(self.failures, 5)), .seconds(2))
        self.later(self.world.duration(0...longest)) { [weak self] in
            guard let self, case .waiting = self.phase else { return }
            self.connect()
        }
    }

    /// Gives the connection up.
    package func drop(_ reason: String) {
        switch self.phase {
        case .connecting(let link), .open(let link):
            self.world.note("\(self.name) drops its connection: \(reason)")
            self.retired.append(link)
            self.disconnected()
            self.pauseAndConnect()
            link.retire()
        case .away, .waiting:
            break
        }
    }

    /// Links stay in memory until their ends have heard of their end.
    private var retired: [SimulatedLink] = []

    func isCurrent(_ link: SimulatedLink) -> Bool {
        switch self.phase {
        case .connecting(let current), .open(let current): current === link
        case .away, .waiting: false
        }
    }

    private func disconnected(_ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        self.retired.append(link)
        self.disconnected()
        self.pauseAndConnect()
    }

    private func disconnected() {
        self.outbox.disconnected()
        self.receipts.disconnected()
    }

    package func goAway() {
        self.world.note("\(self.name) goes away")
        self.wantsToBeAway = true
        self.drop("away")
    }

    package func comeBack() {
        guard self.wantsToBeAway else { return }
        self.world.note("\(self.name) comes back")
        self.wantsToBeAway = false
        if !self.isOpen { self.pauseAndConnect() }
    }

    func opened(_ link: SimulatedLink) {
        guard case .connecting(let current) = self.phase, current === link else { return }
        self.phase = .open(link)
        self.failures = 0
        self.world.note("\(self.name) is on \(self.edge?.name ?? "")")
        for conversation in self.cursors.keys.sorted() {
            self.cursors[conversation]?.connected()
        }
        self.syncAll(isNewConnection: true)
        self.sendWaiting()
        self.sendReceipts()
    }

    func closed(_ code: CloseCode, _ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        self.world.note("\(self.name) is closed: \(code.name)")
        self.drop(code.name)
    }

    // MARK: - Sending

    package func send(_ body: String, to conversation: ConversationID) {
        let request = SendMessageRequest(
            conversationID: conversation,
            clientMessageID: self.world.identifier(),
            kind: .text,
            body: body
        )
        _ = self.outbox.add(request, now: self.world.deadlineNow)
        self.sendWaiting()
    }

    private func sendWaiting() {
        guard case .open(let link) = self.phase, let edge = self.edge else { return }
        while let next = self.outbox.nextToSend() {
            let command = self.takeCommand()
            let request = next.request
            self.outbox.sent(next.ticket, as: command, now: self.world.deadlineNow)
            link.send(from: self) { edge.submitReceived(request, command, link) }
        }
    }

    func answered(_ command: UInt64, _ sent: MessageSent) {
        guard let entry = self.outbox.acknowledged(command) else { return }
        self.world.note("\(self.name) has the answer for \(entry.request.body): \(sent.seq)")
        self.acknowledged.append(
            Acknowledged(
                conversation: sent.conversationID,
                clientMessageID: sent.clientMessageID,
                seq: sent.seq,
                body: entry.request.body,
                time: self.world.now
            )
        )
        let message = DeliveredMessage(
            messageID: sent.messageID,
            conversationID: sent.conversationID,
            seq: sent.seq,
            senderID: self.user,
            clientMessageID: sent.clientMessageID,
            kind: entry.request.kind,
            body: entry.request.body,
            createdAt: sent.createdAt
        )
        self.take(message, .own) { $0.acknowledged(message) }
        self.sendWaiting()
    }

    func refused(_ command: UInt64, _ failure: Failure) {
        self.refusals.append(failure)
        let error = TrunklineError(failure)
        switch self.outbox.refused(command, error, pause: .milliseconds(50), now: self.world.deadlineNow) {
        case .retry(let time):
            self.later(UInt64(max(0, (time - self.world.deadlineNow).nanoseconds))) { [weak self] in
                guard let self else { return }
                self.outbox.pauseEnded(now: self.world.deadlineNow)
                self.sendWaiting()
            }
        case .giveUp(let entry, _):
            self.world.note("\(self.name) gives up \(entry.request.body): \(failure.code.name)")
        case .none:
            break
        }
    }

    // MARK: - Receiving

    func received(_ message: DeliveredMessage, _ link: SimulatedLink) {
        guard self.isCurrent(link) else { return }
        self.arrived.append((message.conversationID, message.seq, message.body, self.world.now))
        self.take(message, .live) { $0.receivedLive(message) }
    }

    private func take(
        _ message: DeliveredMessage,
        _ arrival: ArrivedMessage.Arrival,
        _ receive: (inout ConversationCursor) -> ConversationCursor.Verdict
    ) {
        let conversation = message.conversationID
        guard let verdict = self.cursors[conversation]?.change(receive) else { return }
        switch verdict {
        case .deliver:
            self.handOver(message)
            while let ready = self.cursors[conversation]?.popReady() { self.handOver(ready.message) }
        case .wait(let opensGap):
            guard opensGap else { return }
            self.gapOpened(conversation)
        case .known:
            // Its own ones it knows from the answers, and a sync brings them too.
            guard arrival != .own, message.senderID != self.user else { break }
            guard self.paged[conversation]?.remove(message.seq) == nil else { break }
            self.repeats += 1
            self.world.note("\(self.name) gets \(message.body)=\(message.seq) again, \(arrival)")
        case .overflow:
            self.catchUp(conversation)
        }
    }

    func caughtUp(_ message: DeliveredMessage) {
        self.take(message, .caughtUp) { $0.caughtUp(message) }
    }

    private func gapOpened(_ conversation: ConversationID) {
        let next = self.cursors[conversation]?.next
        self.later(Self.gapPatience) { [weak self] in
            guard let self, self.cursors[conversation]?.hasGap == true else { return }
            self.silentGaps += 1
            self.world.note("\(self.name) finds a gap in \(conversation)")
            // Who is let in again begins behind a gap, which only a page tells from a loss.
            if self.asksForPages || self.cluster.wasEverRemoved(self.user) { self.catchUp(conversation) }
        }
        self.later(Self.gapPatienceMax) { [weak self] in
            guard let self, let cursor = self.cursors[conversation], cursor.hasGap, cursor.next == next else { return }
            self.gapsUntold += 1
            self.world.note("\(self.name) was told nothing of a gap in \(conversation)")
            self.catchUp(conversation)
        }
    }

    private func handOver(_ message: DeliveredMessage) {
        self.world.note("\(self.name) gets \(message.body)=\(message.seq)")
        self.handedOver[message.conversationID, default: []].append(HandedOver(seq: message.seq, body: message.body))
        self.handedOverToRead(message)
    }

    /// The members changed, and may have begun or ceased to be one.
    func conversationChanged(_ conversation: ConversationID, _ link: SimulatedLink) {
        guard self.isCurrent(link), self.asksForPages || self.cluster.wasEverRemoved(self.user) else { return }
        self.catchUp(conversation)
    }

    // MARK: - Pages

    func catchUp(_ conversation: ConversationID) {
        guard let action = self.cursors[conversation]?.catchUp() else { return }
        self.carryOut(action, conversation)
    }

    private func carryOut(_ action: ConversationCursor.FetchAction, _ conversation: ConversationID) {
        switch action {
        case .fetch(let after): self.fetch(conversation, after: after)
        case .pause:
            self.later(.milliseconds(200)) { [weak self] in
                guard let self, let action = self.cursors[conversation]?.pauseEnded() else { return }
                self.carryOut(action, conversation)
            }
        case .none: break
        }
    }

    /// As over REST: a connection of its own, which may fail.
    private func fetch(_ conversation: ConversationID, after: UInt64) {
        let request = ReadMessages(conversation: conversation, reader: self.user, position: .after(after), limit: 50)
        self.pagesUnderWay += 1
        var isDone = false
        let done = { [weak self] (result: Result<MessagePage, Failure>) in
            guard let self, !isDone else { return }
            isDone = true
            self.pagesUnderWay -= 1
            self.pageReceived(conversation, result)
        }
        self.later(.seconds(6)) { done(.failure(Failure(.unavailable, "no answer"))) }
        guard let edge = self.cluster.edges.first(where: { $0 === self.edge && $0.isAlive }) else {
            return self.later(.milliseconds(100)) { done(.failure(Failure(.unavailable, "no edge"))) }
        }
        edge.later(.microseconds(200)) { [weak self, weak edge] in
            edge?.ask(.readMessages, Slot(of: conversation.value), request) { result in
                self?.later(.microseconds(200)) {
                    done(
                        result.flatMap { payload in
                            Result { try MessagePage(decoding: payload) }.mapError { Failure(.internal, "\($0)") }
                        }
                    )
                }
            }
        }
    }

    private func pageReceived(_ conversation: ConversationID, _ result: Result<MessagePage, Failure>) {
        switch result {
        case .success(let page):
            guard
                let outcome = self.cursors[conversation]?.change({
                    $0.pageReceived(page.messages.map { DeliveredMessage($0) }, hasMore: page.hasMore)
                })
            else { return }
            self.paged[conversation, default: []].formUnion(page.messages.map(\.seq))
            for arrived in outcome.deliver { self.handOver(arrived.message) }
            self.carryOut(outcome.action, conversation)
        case .failure(let failure) where failure.code == .notFound:
            self.cursors[conversation]?.fetchAbandoned()
        case .failure:
            guard let action = self.cursors[conversation]?.pageFailed() else { return }
            self.carryOut(action, conversation)
        }
    }
}
