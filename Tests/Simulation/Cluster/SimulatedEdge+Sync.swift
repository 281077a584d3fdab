// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Edge
import Messaging
import NIOCore
import Placement
import Wire

/// Syncs: the decisions are those of the product's ``SyncMachine``, the questions go the way of its `RouterClient`.
extension SimulatedEdge {
    /// As long as the product waits before it takes what still comes for news.
    private static let settlingTime = TimeAmount.seconds(2)
    private static let pageRows: UInt32 = 20

    func syncReceived(_ request: SyncRequest, _ command: UInt64, _ link: SimulatedLink) {
        guard let session = self.session(on: link), session.isOpen else { return }
        guard !session.isRunning else {
            let failure = Failure(.conflict, "A sync is under way.")
            link.send(from: self) { session.device.syncRefused(command, failure) }
            return
        }
        session.isCurrent = false
        let token = request.resume.flatMap { ResumeToken($0, of: session.device.id) }
        let positions = self.positions.snapshot
        let machine = SyncMachine(
            cursors: request.cursors,
            token: token,
            endedLives: positions.ended,
            wantsReceipts: request.wantsReceipts,
            bounds: self.syncBounds
        )
        let run = SimulatedSession.Run(
            number: session.nextRun(),
            command: command,
            request: request,
            token: token,
            machine: machine,
            losses: positions.losses
        )
        session.state = .running(run)
        self.carryOut(machine.start(), session, run.number)
    }

    private func drive(
        _ session: SimulatedSession,
        _ number: UInt64,
        _ event: (inout SyncMachine) -> [SyncMachine.Action]
    ) {
        self.carryOut(session.drive(number, event), session, number)
    }

    private func carryOut(_ actions: [SyncMachine.Action], _ session: SimulatedSession, _ number: UInt64) {
        for action in actions {
            guard case .running(let run) = session.state, run.number == number else { return }
            switch action {
            case .ask, .compare, .read, .readReceipts: self.ask(action, session, run)
            case .write(let conversation, let messages, let head, let hasMore):
                let page = SyncMessages(
                    conversationID: conversation,
                    messages: messages.map { DeliveredMessage($0) },
                    headSeq: head,
                    hasMore: hasMore
                )
                session.link.send(from: self) { session.device.syncMessages(page, session.link) }
            case .writeReceipts(let receipts):
                for receipts in receipts.map({ SyncReceipts($0) }) {
                    session.link.send(from: self) { session.device.syncReceipts(receipts, session.link) }
                }
            case .release(let frames):
                for frame in frames { session.release(frame) }
            case .finish(let outcome):
                self.finish(session, run, outcome)
            case .fail(let failure):
                session.state = .awaited
                session.link.send(from: self) { session.device.syncRefused(run.command, failure) }
            }
        }
    }

    private func ask(_ action: SyncMachine.Action, _ session: SimulatedSession, _ run: SimulatedSession.Run) {
        let user = session.device.user
        let drive = { [weak self] (event: (inout SyncMachine) -> [SyncMachine.Action]) -> Void in
            self?.drive(session, run.number, event)
        }
        switch action {
        case .ask:
            ChangesQuestion(self, user, run.token) { result in
                drive { machine in
                    switch result {
                    case .success(let answers): machine.answered(answers)
                    case .failure(let failure): machine.failed(failure)
                    }
                }
            }.ask()
        case .compare(let vouched):
            // The device names all conversations that there are.
            let conversations = run.request.cursors.keys.filter { !vouched.contains(Slot(of: $0.value)) }.sorted()
            self.askEach(
                .compareHeads,
                conversations,
                {
                    CompareHeads(
                        user: user,
                        conversations: [$0],
                        cursors: [run.request.cursors[$0] ?? 0],
                        states: run.request.wantsReceipts ? [run.request.states[$0] ?? 0] : []
                    )
                }
            ) { (answers: [ConversationID: ChangedHeads?]) in
                let changed = answers.values.flatMap { $0?.changed ?? [] }
                let unavailable = answers.filter { $0.value == nil }.map(\.key).sorted()
                drive { $0.compared(changed, unavailable: unavailable) }
            }
        case .read(let conversation, let after):
            let read = ReadMessages(
                conversation: conversation,
                reader: user,
                position: .after(after),
                limit: Self.pageRows
            )
            self.ask(.readMessages, Slot(of: conversation.value), read) { result in
                let page: SyncMachine.Page
                switch result {
                case .success(let body):
                    guard let read = try? MessagePage(decoding: body) else { return }
                    page = .messages(read.messages, hasMore: read.hasMore)
                case .failure(let failure): page = failure.code == .notFound ? .gone : .failed(failure)
                }
                drive { $0.pageRead(conversation, page) }
            }
        case .readReceipts(let conversations):
            self.askEach(.readReceipts, conversations, { ReadReceipts(user: user, conversations: [$0]) }) {
                (answers: [ConversationID: ReceiptsOfConversations?]) in
                let isWhole = !answers.values.contains { $0 == nil }
                let receipts = answers.sorted { $0.key < $1.key }.flatMap { $0.value?.receipts ?? [] }
                drive { $0.receiptsRead(conversations, isWhole ? receipts : nil) }
            }
        case .write, .writeReceipts, .release, .finish, .fail:
            preconditionFailure("that is no question")
        }
    }

    /// One request for each conversation; nil for those that came to nothing.
    private func askEach<Answer: WireMessage>(
        _ kind: RequestKind,
        _ conversations: [ConversationID],
        _ body: (ConversationID) -> some WireMessage,
        _ completion: @escaping ([ConversationID: Answer?]) -> Void
    ) {
        var answers: [ConversationID: Answer?] = [:]
        guard !conversations.isEmpty else { return completion([:]) }
        for conversation in conversations {
            self.ask(kind, Slot(of: conversation.value), body(conversation)) { result in
                answers.updateValue((try? result.get()).flatMap { try? Answer(decoding: $0) }, forKey: conversation)
                if answers.count == conversations.count { completion(answers) }
            }
        }
    }

    private func finish(_ session: SimulatedSession, _ run: SimulatedSession.Run, _ outcome: SyncMachine.Outcome) {
        let isBehind = run.losses != self.positions.snapshot.losses
        session.isCurrent =
            !isBehind && outcome.tooFar.isEmpty && outcome.unavailable.isEmpty
            && outcome.receiptsLeftOut.isEmpty
        session.state = .settling(
            floors: run.machine.floors,
            positions: outcome.positions,
            notBefore: self.world.deadlineNow + Self.settlingTime
        )
        let synced = Synced(
            changed: outcome.changed,
            tooFar: outcome.tooFar.map {
                Synced.TooFar(conversationID: $0.conversation, headSeq: $0.headSeq, after: $0.after)
            },
            removed: outcome.removed,
            updated: outcome.updated,
            unavailable: outcome.unavailable,
            receiptsLeftOut: outcome.receiptsLeftOut,
            isFull: outcome.isFull,
            resume: session.isCurrent
                ? ResumeToken(positions: outcome.positions).text(for: session.device.id) : nil
        )
        session.link.send(from: self) { session.device.synced(run.command, synced, session.link) }
        if isBehind { self.resync(session) }
    }

    /// Something was lost for the sessions of this edge.
    func somethingWasLost() {
        self.world.note("\(self.name) has its sessions resync")
        for session in self.openSessions where !session.isAwaited && !session.isRunning { self.resync(session) }
    }

    private func resync(_ session: SimulatedSession) {
        session.state = .awaited
        session.isCurrent = false
        session.link.send(from: self) { session.device.resync(session.link) }
    }

    /// The regular look at the clock.
    func settle() {
        guard let reached = self.positions.snapshot.positions else { return }
        for session in self.openSessions {
            guard case .settling(_, let positions, let notBefore) = session.state,
                self.world.deadlineNow >= notBefore,
                positions.allSatisfy({ (reached[$0.key] ?? .max) >= $0.value })
            else { continue }
            session.state = .live
        }
    }

    func pingReceived(_ link: SimulatedLink) {
        guard let session = self.session(on: link), session.isOpen, session.isCurrent,
            let positions = self.positions.snapshot.positions,
            let token = ResumeToken(positions: positions).text(for: session.device.id)
        else { return }
        link.send(from: self) { session.device.ponged(token, link) }
    }
}

/// Asks every linked router what changed for a user, until all that are linked have answered.
private final class ChangesQuestion {
    private static let timeout = TimeAmount.seconds(5)

    private let edge: SimulatedEdge
    private let user: UserID
    private let token: ResumeToken?
    private let deadline: NIODeadline
    private let completion: (Result<[ChangesSince], Failure>) -> Void
    private var answers: [String: ChangesSince] = [:]
    private var underWay = 0
    private var schedule = RetrySchedule()

    init(
        _ edge: SimulatedEdge,
        _ user: UserID,
        _ token: ResumeToken?,
        _ completion: @escaping (Result<[ChangesSince], Failure>) -> Void
    ) {
        self.edge = edge
        self.user = user
        self.token = token
        self.deadline = edge.world.deadlineNow + Self.timeout
        self.completion = completion
    }

    private var missing: [String: Incarnation] {
        self.edge.linkedLives.filter { self.answers[$0.key]?.life != $0.value }
    }

    func ask() {
        let missing = self.missing
        guard !missing.isEmpty else { return self.roundEnded() }
        self.underWay = missing.count
        for (router, life) in missing.sorted(by: { $0.key < $1.key }) {
            let since = self.token?.positions[life]
            let question = SyncChanges(user: self.user, life: since == nil ? nil : life, since: since ?? 0)
            self.edge.request(.syncChanges, to: router, question.encoded(), self.deadline) { outcome in
                if case .answered(let body) = outcome { self.answers[router] = try? ChangesSince(decoding: body) }
                self.underWay -= 1
                if self.underWay == 0 { self.roundEnded() }
            }
        }
    }

    private func roundEnded() {
        let linked = self.edge.linkedLives
        if !linked.isEmpty, self.missing.isEmpty {
            return self.completion(.success(linked.keys.sorted().compactMap { self.answers[$0] }))
        }
        let pause = self.schedule.next(using: &self.edge.world.random)
        guard self.edge.world.deadlineNow + .milliseconds(Int64(pause)) < self.deadline else {
            return self.completion(.failure(.outOfTime(mayHaveArrived: false)))
        }
        self.edge.later(.milliseconds(UInt64(pause))) { self.ask() }
    }
}
