// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import FaultModel
import Messaging
import NIOCore
import NIOPosix
import TestSupport
import TrunklineClient

/// A device that uses the client library, and the senders that use the device.
///
/// Belongs to its event loop.
final class SessionDevice {
    private let plan: Population.Device
    private let senders: [Population.Sender]
    private let world: World
    private let recorder: Recorder
    private let eventLoop: any EventLoop
    private var randoms: [Int: SeededRandom]
    private var choices: SeededRandom
    private var session: TrunklineSession?
    /// By member, what was handed out last.
    private var receipts: [ReceiptKey: Watermarks] = [:]
    private var isSending = false
    /// Quiet senders whose message has no acknowledgement yet.
    private var quietUnderWay: Set<Int> = []

    private init(
        _ plan: Population.Device,
        _ world: World,
        _ recorder: Recorder,
        _ eventLoop: any EventLoop
    ) {
        self.plan = plan
        self.world = world
        self.recorder = recorder
        self.eventLoop = eventLoop
        self.senders = world.population.senders.filter { $0.device == plan.number }
        self.randoms = Dictionary(
            uniqueKeysWithValues: self.senders.map { ($0.number, SeededRandom(seed: $0.seed)) }
        )
        self.choices = SeededRandom(seed: plan.seed)
    }

    /// Makes the device on its loop and connects it.
    static func start(
        _ plan: Population.Device,
        _ world: World,
        _ recorder: Recorder,
        http: TrunklineHTTP,
        on eventLoop: any EventLoop
    ) async throws -> NIOLoopBound<SessionDevice> {
        try await eventLoop.submit {
            let device = SessionDevice(plan, world, recorder, eventLoop)
            try device.open(http)
            return NIOLoopBound(device, eventLoop: eventLoop)
        }.get()
    }

    private func open(_ http: TrunklineHTTP) throws {
        let account = self.world.accounts[self.plan.number]
        guard let user = UserID(account.id), let device = DeviceID(account.device) else {
            throw World.Failure(description: "the cluster named a user or device with what is no id")
        }
        let tokens = TokenResponse(
            userID: user,
            deviceID: device,
            accessToken: account.token,
            refreshToken: account.refreshToken,
            expiresIn: 86_400
        )
        let session = TrunklineSession(
            credentials: SessionCredentials(tokens, now: .now()),
            http: http,
            edge: self.plan.edge,
            eventLoop: self.eventLoop,
            settings: Self.settings
        ) { [weak self] in self?.received($0) }
        self.session = session
        for conversation in self.world.conversations(of: self.plan.user) {
            session.follow(self.world.conversations[conversation], after: 0)
        }
        session.watchPresence(in: self.world.conversations(of: self.plan.user).map { self.world.conversations[$0] })
        session.start()
    }

    /// A sender never gives up. An edge that is frozen is noticed after seconds; one that holds a message while its shard
    /// is away is waited for longer than it holds it.
    private static var settings: TrunklineSession.Settings {
        var settings = TrunklineSession.Settings()
        settings.sendTimeLimit = .hours(24 * 7)
        settings.silence = .seconds(2)
        settings.answerTimeout = .seconds(20)
        settings.reconnect = BackOff(first: .milliseconds(50), longest: .seconds(1))
        settings.socket.openTimeout = .seconds(3)
        return settings
    }

    func startSending() {
        self.isSending = true
        for sender in self.senders { self.pauseAndSend(sender) }
        if self.world.population.choosingUsers.contains(self.plan.user), self.plan.number == self.plan.user {
            self.pauseAndChoose()
        }
    }

    /// Every quiet sender that has nothing under way sends one message, at a moment that its seed chooses.
    func sendQuietly(withinMilliseconds time: Int) {
        for sender in self.senders where sender.pauseMilliseconds == nil {
            guard self.isSending, self.quietUnderWay.insert(sender.number).inserted else { continue }
            self.send(sender, after: 0...time)
        }
    }

    /// What is under way is still tried.
    func stopSending() {
        self.isSending = false
    }

    func close() {
        self.session?.close()
        self.session = nil
    }

    // MARK: -

    private func pauseAndSend(_ sender: Population.Sender) {
        guard let pause = sender.pauseMilliseconds else {
            self.quietUnderWay.remove(sender.number)
            return
        }
        self.send(sender, after: pause)
    }

    private func send(_ sender: Population.Sender, after milliseconds: ClosedRange<Int>) {
        guard var random = self.randoms[sender.number] else { return }
        let pause = Int.random(in: milliseconds, using: &random)
        self.randoms[sender.number] = random
        self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(pause))) { self.send(sender) }
    }

    private func send(_ sender: Population.Sender) {
        guard self.isSending, let session = self.session else {
            self.quietUnderWay.remove(sender.number)
            return
        }
        let id = ClientMessageID.generate()
        self.recorder.began(sender, id)
        let isTaken = session.send(
            SendMessageRequest(
                conversationID: self.world.conversations[sender.conversation],
                clientMessageID: id,
                kind: .text,
                body: MessageText.of(id)
            )
        )
        if !isTaken { self.recorder.ended(self.plan.number, "its outbox refused a message") }
    }

    private func received(_ event: TrunklineSession.Event) {
        switch event {
        case .connected:
            self.recorder.connected(self.plan.number)
        case .message(let message, let arrival):
            self.received(message, arrival)
        case .acknowledged(let sent, _):
            guard self.recorder.acknowledged(sent.clientMessageID, seq: sent.seq),
                let number = self.world.conversationNumbers[sent.conversationID],
                let sender = self.senders.first(where: { $0.conversation == number })
            else { return }
            self.pauseAndSend(sender)
        case .refused(let request, let error):
            self.recorder.refused(
                request.clientMessageID,
                code: error.name,
                retryAfterMilliseconds: error.retryAfterMilliseconds
            )
        case .failed(let request, let error):
            guard self.session != nil else { return }
            // Whatever the code, it is one that made the library give up what it should have kept trying.
            self.recorder.refused(request.clientMessageID, code: error.name, retryAfterMilliseconds: nil)
        case .ended(let error):
            guard self.session != nil else { return }
            self.recorder.ended(self.plan.number, "\(error)")
        case .disconnected:
            self.recorder.disconnected(self.plan.number)
        case .presence(let users):
            for user in users { self.saw(user) }
        case .receipt(let conversation, let user, let watermarks):
            self.told(watermarks, of: user, in: conversation)
        case .caughtUp, .delayed, .skipped, .receiptFailed, .typing, .other:
            break
        }
    }

    private func saw(_ user: PresenceBody) {
        guard let number = self.world.userNumbers[user.userID] else { return }
        self.recorder.saw(
            self.plan.number,
            PresenceSighting(
                user: number,
                status: user.status,
                hasLastSeen: user.lastSeenAt != nil,
                at: RunClock.now()
            )
        )
    }

    /// The library hands out what only grows.
    private func told(_ watermarks: Watermarks, of user: UserID, in conversation: ConversationID) {
        guard let number = self.world.userNumbers[user],
            let conversation = self.world.conversationNumbers[conversation]
        else { return }
        let key = ReceiptKey(conversation: conversation, user: number)
        self.recorder.told(self.plan.number, key, watermarks, known: self.receipts[key] ?? .zero)
        self.receipts[key] = watermarks
    }

    /// Another status, again and again while it sends.
    private func pauseAndChoose() {
        let pause = Int64.random(in: 300...2000, using: &self.choices)
        self.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(pause)) {
            guard self.isSending, let session = self.session else { return }
            _ = session.setStatus(ChosenStatus.allCases.randomElement(using: &self.choices))
            self.pauseAndChoose()
        }
    }

    private func received(_ message: DeliveredMessage, _ arrival: ArrivedMessage.Arrival) {
        guard let conversation = self.world.conversationNumbers[message.conversationID] else { return }
        let way: Delivery.Way =
            switch arrival {
            case .live: .live
            case .caughtUp: .page
            case .own: .own
            }
        self.recorder.delivered(
            self.plan.number,
            Delivery(
                conversation: conversation,
                seq: message.seq,
                id: message.clientMessageID,
                at: RunClock.now(),
                way: way,
                isIntact: message.body == MessageText.of(message.clientMessageID)
                    && self.world.userNumbers[message.senderID] != nil
            )
        )
        self.recorder.showed(self.plan.number, conversation, .init(seq: message.seq, id: message.clientMessageID))
        if message.seq.isMultiple(of: Self.readEvery), arrival != .own {
            self.session?.markRead(message.conversationID, upTo: message.seq)
        }
    }

    /// Of so many messages a person is said to have seen one, and everything before it.
    private static let readEvery: UInt64 = 5
}

@available(*, unavailable)
extension SessionDevice: Sendable {}
