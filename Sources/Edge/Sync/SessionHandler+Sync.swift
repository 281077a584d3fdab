// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Observability
internal import Wire

/// Carries out the syncs of a session: questions to the routers through the edge's ``SyncGate``, pages to the client.
extension SessionHandler {
    // MARK: - From the client

    func syncReceived(_ request: SyncRequest, owner: Session.Owner, id: CommandID) {
        let sync = self.sync ?? SessionSync()
        if self.sync == nil {
            sync.state = .live
            self.sync = sync
        }
        guard !sync.isRunning, sync.early == nil else {
            return self.send(.error(id, .syncUnderWay))
        }
        sync.parts.merge(request)
        guard sync.parts.cursors.count <= SyncRequest.cursorsMax else {
            sync.parts = SyncRequest(cursors: [:])
            return self.send(.error(id, .tooManyCursors))
        }
        guard !request.hasMore else { return }
        guard self.session.openOwner != nil else {
            sync.early = id
            return
        }
        self.beginSync(sync, id, owner)
    }

    /// The session begins to get live events.
    func syncOpened(_ owner: Session.Owner) {
        guard let sync = self.sync else { return }
        if let id = sync.early {
            sync.early = nil
            self.beginSync(sync, id, owner)
        } else if sync.isAwaited {
            sync.await(until: self.now + SessionSync.patience)
        }
    }

    private func beginSync(_ sync: SessionSync, _ id: CommandID, _ owner: Session.Owner) {
        let settings = self.services.settings.sync
        let request = sync.parts
        sync.parts = SyncRequest(cursors: [:])
        sync.isCurrent = false
        self.session.syncBegan()
        self.services.metrics.sync.begun.increment()
        let token = request.resume.flatMap { ResumeToken($0, of: owner.device) }
        var machine = SyncMachine(
            cursors: request.cursors,
            token: token,
            endedLives: self.loop.positions.ended,
            wantsReceipts: request.wantsReceipts,
            bounds: SyncMachine.Bounds(
                messagesPerConversationMax: settings.messagesPerConversationMax,
                messagesMax: settings.messagesMax,
                heldBytesMax: settings.heldBytesMax
            )
        )
        _ = machine.writabilityChanged(self.context?.channel.isWritable ?? false)
        let run = SessionSync.Run(
            number: sync.nextRun(),
            id: id,
            owner: owner,
            request: request,
            token: token,
            machine: machine,
            losses: self.loop.positions.losses
        )
        sync.state = .running(run)
        self.carryOut(machine.start(), run.number)
    }

    // MARK: - The machine

    func syncAnswered(_ answer: SessionSync.Answer) {
        self.drive(answer.run) { machine in
            switch answer.content {
            case .changes(.success(let answers)):
                return machine.answered(answers)
            case .comparison(.success(let comparison)):
                self.services.metrics.sync.compared.increment(by: UInt64(comparison.compared))
                return machine.compared(comparison.changed, unavailable: comparison.unavailable)
            case .changes(.failure(let failure)), .comparison(.failure(let failure)):
                return machine.failed(failure)
            case .page(let conversation, let page):
                self.services.metrics.sync.pages.increment()
                return machine.pageRead(conversation, page)
            case .receipts(let conversations, let receipts):
                return machine.receiptsRead(conversations, receipts)
            }
        }
    }

    func syncWritabilityChanged(_ isWritable: Bool) {
        guard let sync = self.sync, case .running(let run) = sync.state else { return }
        self.drive(run.number) { $0.writabilityChanged(isWritable) }
        self.flushIfNeeded()
    }

    private func drive(_ number: UInt64, _ event: (inout SyncMachine) -> [SyncMachine.Action]) {
        guard let sync = self.sync, case .running(var run) = sync.state, run.number == number else { return }
        // One owner at a time, so that the machine is changed in place and not copied.
        sync.state = .live
        let actions = event(&run.machine)
        sync.state = .running(run)
        self.carryOut(actions, number)
    }

    private func carryOut(_ actions: [SyncMachine.Action], _ number: UInt64) {
        for action in actions {
            guard let sync = self.sync, case .running(let run) = sync.state, run.number == number else { return }
            switch action {
            case .ask, .compare, .read, .readReceipts: self.ask(action, run)
            case .write(let conversation, let messages, let head, let hasMore):
                self.writePage(conversation, messages, headSeq: head, hasMore: hasMore)
            case .writeReceipts(let receipts):
                for conversation in receipts { self.send(.syncReceipts(SyncReceipts(conversation))) }
                self.services.metrics.sync.receipts.increment(by: UInt64(receipts.count))
                self.makeRoom()
            case .release(let frames):
                for frame in frames { self.write(frame) }
                self.services.metrics.deliveries.increment(by: UInt64(frames.count))
                self.makeRoom()
            case .finish(let outcome): self.finishSync(sync, run, outcome)
            case .fail(let failure):
                self.services.metrics.sync.failed.increment()
                sync.await(until: self.now + SessionSync.patience)
                self.send(.error(run.id, failure))
            }
        }
    }

    /// Ends a sync that is under way, with all that it holds back and all the pages that were asked for: they may be of a
    /// conversation that the user is not in any more, and nothing of it may come after somebody was told that.
    func interruptSync() {
        guard let sync = self.sync, case .running(let run) = sync.state else { return }
        self.services.metrics.sync.failed.increment()
        sync.await(until: self.now + SessionSync.patience)
        self.send(.error(run.id, .membershipChanged))
    }

    /// Puts a question to the routers as soon as the gate lets it through.
    private func ask(_ action: SyncMachine.Action, _ run: SessionSync.Run) {
        let (gate, loop, session, routers) = (self.services.syncGate, self.loop, self.id, self.services.routers)
        let (user, request, token, number) = (run.owner.user, run.request, run.token, run.number)
        gate.enter {
            let answer = loop.eventLoop.makeFutureWithLoopTask { () -> SessionSync.Answer.Content? in
                switch action {
                case .ask:
                    return .changes(
                        await Self.result { () throws(Failure) in
                            try await routers.changes(for: user, since: token)
                        }
                    )
                case .compare(let vouched):
                    return .comparison(
                        await Self.result { () throws(Failure) in
                            try await routers.compare(user, request, except: vouched)
                        }
                    )
                case .read(let conversation, let after):
                    return .page(conversation, await routers.page(of: conversation, after: after, for: user))
                case .readReceipts(let conversations):
                    return .receipts(conversations, await routers.receipts(of: conversations, for: user))
                case .write, .writeReceipts, .release, .finish, .fail:
                    return nil
                }
            }
            answer.whenComplete { result in
                gate.leave()
                guard case .success(let content?) = result else { return }
                loop.post(.synced(SessionSync.Answer(run: number, content: content)), to: session)
            }
        }
    }

    private static func result<Value: Sendable>(
        _ body: () async throws(Failure) -> Value
    ) async -> Result<Value, Failure> {
        do throws(Failure) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }

    // MARK: - To the client

    /// Bytes of bodies in one `sync_messages`, at least one message; so that no client needs room for more.
    private static let pageBytesMax = 128 << 10

    private func writePage(_ conversation: ConversationID, _ messages: [Message], headSeq: UInt64, hasMore: Bool) {
        var rest = messages[...]
        while !rest.isEmpty {
            var bytes = 0
            let page = rest.prefix { message in
                let isFirst = bytes == 0
                bytes += message.body.utf8.count + 320
                return isFirst || bytes <= Self.pageBytesMax
            }
            rest = rest.dropFirst(page.count)
            self.send(
                .syncMessages(
                    SyncMessages(
                        conversationID: conversation,
                        messages: page.map { DeliveredMessage($0) },
                        headSeq: headSeq,
                        hasMore: hasMore || !rest.isEmpty
                    )
                )
            )
        }
        self.services.metrics.sync.messages.increment(by: UInt64(messages.count))
        self.makeRoom()
    }

    /// Only what the socket does not take counts as unsent.
    private func makeRoom() {
        guard let context = self.context, !context.channel.isWritable else { return }
        self.flushIfNeeded()
    }

    private func finishSync(_ sync: SessionSync, _ run: SessionSync.Run, _ outcome: SyncMachine.Outcome) {
        let metrics = self.services.metrics.sync
        (outcome.isFull ? metrics.byComparison : metrics.byChanges).increment()
        metrics.tooFar.increment(by: UInt64(outcome.tooFar.count))
        // Something may have been lost while it ran: then the client is told to sync again.
        let isBehind = self.session.isBehind || run.losses != self.loop.positions.losses
        // A device that resumes is told only of what changed after the token: not again of what was left out.
        sync.isCurrent =
            !isBehind && outcome.tooFar.isEmpty && outcome.unavailable.isEmpty
            && outcome.receiptsLeftOut.isEmpty
        let token = sync.isCurrent ? ResumeToken(positions: outcome.positions).text(for: run.owner.device) : nil
        sync.state = .settling(
            floors: run.machine.floors,
            positions: outcome.positions,
            notBefore: self.now + SessionSync.settlingTime
        )
        self.send(
            .synced(
                run.id,
                Synced(
                    changed: outcome.changed,
                    tooFar: outcome.tooFar.map {
                        Synced.TooFar(conversationID: $0.conversation, headSeq: $0.headSeq, after: $0.after)
                    },
                    removed: outcome.removed,
                    updated: outcome.updated,
                    unavailable: outcome.unavailable,
                    receiptsLeftOut: outcome.receiptsLeftOut,
                    isFull: outcome.isFull,
                    resume: token
                )
            )
        )
        guard isBehind else { return }
        self.session.eventLeftOut()
        if self.context?.channel.isWritable ?? false { self.resyncIfBehind() }
    }

    /// What the session may be resumed from, while it misses nothing.
    var resumeToken: String? {
        guard let sync = self.sync, sync.isCurrent, !self.session.isBehind, let owner = self.session.openOwner,
            let positions = self.loop.positions.positions
        else { return nil }
        return ResumeToken(positions: positions).text(for: owner.device)
    }

    // MARK: - Live events

    /// Writes an event if it is its time. Returns whether it was written.
    func writeLive(_ delivery: SessionLoop.Delivery, _ sync: SessionSync) -> Bool {
        guard let frame = delivery.frame[self.subprotocol] else {
            self.eventsWereDropped()
            return false
        }
        switch sync.state {
        case .awaited:
            return false
        case .running(var run):
            let live = SyncMachine.Live(
                conversation: delivery.conversation,
                seq: delivery.seq,
                isReceipts: delivery.isReceipts,
                frame: frame
            )
            sync.state = .live
            let verdict = run.machine.offer(live)
            sync.state = .running(run)
            guard verdict == .write else {
                self.services.metrics.sync.held.increment()
                return false
            }
        case .settling(let floors, _, _):
            guard delivery.seq == 0 || delivery.seq > floors[delivery.conversation] ?? 0 else { return false }
            guard self.hasRoomForLive() else { return false }
        case .live:
            guard self.hasRoomForLive() else { return false }
        }
        self.write(frame)
        self.makeRoom()
        return true
    }

    private func hasRoomForLive() -> Bool {
        self.makeRoom()
        guard self.context?.channel.isWritable ?? false, !self.session.isBehind else {
            self.session.eventLeftOut()
            self.sync?.isCurrent = false
            self.services.metrics.deliveriesSkipped.increment()
            return false
        }
        return true
    }

    // MARK: - Time

    func syncTicked(now: NIODeadline) {
        guard let sync = self.sync, self.session.openOwner != nil else { return }
        switch sync.state {
        case .awaited(let deadline):
            guard now >= deadline else { return }
            // The client was told, and has not asked: it gets live events again, and is told once more.
            self.sync = nil
            self.session.eventLeftOut()
            if self.context?.channel.isWritable ?? false { self.resyncIfBehind() }
        case .settling(_, let positions, let notBefore):
            guard now >= notBefore, let reached = self.loop.positions.positions else { return }
            // A life that is gone sends nothing any more.
            guard positions.allSatisfy({ (reached[$0.key] ?? .max) >= $0.value }) else { return }
            sync.state = .live
        case .running, .live:
            break
        }
    }
}

extension Failure {
    fileprivate static let syncUnderWay = Failure(
        .conflict,
        "A sync of this session is under way: wait for its `synced`."
    )

    fileprivate static let membershipChanged = Failure(
        .unavailable,
        "The user was taken out of a conversation while the sync ran: send it again.",
        retryAfterMilliseconds: 1
    )

    fileprivate static let tooManyCursors = Failure(
        .tooLarge,
        "There are more than \(SyncRequest.cursorsMax) cursors: leave out conversations and page them over REST."
    )
}
