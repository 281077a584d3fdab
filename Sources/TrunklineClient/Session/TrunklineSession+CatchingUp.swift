// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
package import Messaging
internal import NIOCore

extension TrunklineSession {
    /// Hands over the messages of a conversation from the one after `after` on. Does nothing when it does so already.
    ///
    /// A conversation that nobody named begins with what first comes from it.
    package func follow(_ conversation: ConversationID, after: UInt64) {
        self.eventLoop.preconditionInEventLoop()
        guard self.cursors[conversation] == nil else { return }
        self.cursors[conversation] = ConversationCursor(after: after)
        if self.isOpen { self.catchUp(conversation) }
    }

    /// The number of the last message that was handed over, or nil for a conversation that is not followed.
    package func position(in conversation: ConversationID) -> UInt64? {
        self.cursors[conversation].map { $0.next - 1 }
    }

    /// What the wire brought in all conversations.
    package var cursorStatistics: ConversationCursor.Statistics {
        self.cursors.values.reduce(into: ConversationCursor.Statistics()) { $0 += $1.statistics }
    }

    /// Whether something that was missed is asked for.
    package var isCatchingUp: Bool {
        self.pagesUnderWay > 0 || self.pagesPausing > 0 || self.syncUnderWay != nil || self.needsSync
    }

    /// Tells when nothing is asked for any more that was missed before this connection.
    func noteCaughtUp() {
        guard self.isBehind, self.isOpen, !self.isCatchingUp else { return }
        self.isBehind = false
        self.emit(.caughtUp)
    }

    /// Asks over REST for what is missing at the end.
    package func catchUp(_ conversation: ConversationID) {
        self.eventLoop.preconditionInEventLoop()
        guard let action = self.cursors[conversation]?.catchUp() else { return }
        self.carryOut(action, conversation)
    }

    // MARK: - Messages

    func receivedLive(_ message: DeliveredMessage) {
        let conversation = message.conversationID
        if self.cursors[conversation] == nil, message.seq > 0 {
            self.cursors[conversation] = ConversationCursor(after: message.seq - 1)
        }
        self.take(message, .live) { $0.receivedLive(message) }
    }

    /// The same for messages that another session was brought before.
    func receivedSeen(_ first: SeenFrames.Frame, _ count: Int) {
        var (frame, rest) = (first, count)
        while rest > 0 {
            // As many as are consecutive in one conversation are taken in one step.
            let message = frame.message
            var (last, run) = (frame, 1)
            while run < rest, let next = last.next, next.message.seq == last.message.seq + 1,
                next.message.conversationID == message.conversationID
            {
                (last, run) = (next, run + 1)
            }
            let seqs = message.seq...last.message.seq
            let next = last.next
            if self.cursors[message.conversationID]?.receivedNextLive(seqs) ?? false {
                self.handOver(seen: frame, run)
            } else {
                self.eachSeen(frame, run) { self.receivedLive($0) }
            }
            rest -= run
            guard let next else { return }
            frame = next
        }
    }

    private func eachSeen(_ first: SeenFrames.Frame, _ count: Int, _ body: (DeliveredMessage) -> Void) {
        var (frame, rest) = (Optional(first), count)
        while rest > 0, let current = frame {
            (frame, rest) = (current.next, rest - 1)
            body(current.message)
        }
    }

    private func handOver(seen first: SeenFrames.Frame, _ count: Int) {
        self.onSeen?(first, count)
        guard self.onSeen == nil || self.settings.acknowledgesDelivery else { return }
        self.eachSeen(first, count) { message in
            if self.onSeen == nil { self.emit(.message(message, .live)) }
            self.handedOver(message)
        }
    }

    func take(
        _ message: DeliveredMessage,
        _ arrival: ArrivedMessage.Arrival,
        _ receive: (inout ConversationCursor) -> ConversationCursor.Verdict
    ) {
        let conversation = message.conversationID
        guard let verdict = self.cursors[conversation]?.change(receive) else { return }
        switch verdict {
        case .deliver:
            self.handOver(message, arrival)
            while let ready = self.cursors[conversation]?.popReady() {
                self.handOver(ready.message, ready.arrival)
            }
            if !self.gaps.isEmpty, self.cursors[conversation]?.hasGap == false { self.gaps[conversation] = nil }
        case .wait(let opensGap):
            if opensGap { self.gapOpened(conversation) }
        case .known:
            break
        case .overflow:
            self.catchUp(conversation)
        }
    }

    private func handOver(_ message: DeliveredMessage, _ arrival: ArrivedMessage.Arrival) {
        self.emit(.message(message, arrival))
        self.handedOver(message)
    }

    // MARK: - Gaps

    private func gapOpened(_ conversation: ConversationID) {
        self.gaps[conversation] = .now() + self.settings.gapPatience
        self.scheduleGapCheck(in: self.settings.gapPatience)
    }

    private func scheduleGapCheck(in time: TimeAmount) {
        guard !self.gapCheckIsScheduled else { return }
        self.gapCheckIsScheduled = true
        self.eventLoop.assumeIsolated().scheduleTask(in: time) {
            self.gapCheckIsScheduled = false
            self.checkGaps()
        }
    }

    private func checkGaps() {
        guard self.isOpen else { return }
        let now = NIODeadline.now()
        // A sync brings what is missing. While an edge is busy bringing everybody up to date, a page for each gap would be
        // a second load of the same; one that takes too long is not waited for.
        let isSyncing = self.syncUnderWay != nil || self.needsSync
        let patience = isSyncing ? self.settings.answerTimeout : .zero
        for (conversation, deadline) in self.gaps where deadline + patience <= now {
            self.gaps[conversation] = nil
            if self.cursors[conversation]?.hasGap == true { self.catchUp(conversation) }
        }
        let pause = isSyncing ? self.settings.gapPatience : .milliseconds(1)
        if let next = self.gaps.values.min() { self.scheduleGapCheck(in: max(next - now, pause)) }
    }

    // MARK: - Pages

    private func carryOut(_ action: ConversationCursor.FetchAction, _ conversation: ConversationID) {
        switch action {
        case .fetch(let after):
            self.fetch(conversation, after: after)
        case .pause:
            let pause = self.settings.retry.pause(attempt: 2, using: &self.generator)
            self.pagesPausing += 1
            self.eventLoop.assumeIsolated().scheduleTask(in: pause) {
                self.pagesPausing -= 1
                guard !self.hasEnded, let action = self.cursors[conversation]?.pauseEnded() else { return }
                self.carryOut(action, conversation)
            }
        case .none:
            break
        }
    }

    private func fetch(_ conversation: ConversationID, after: UInt64) {
        guard self.pagesUnderWay < self.settings.pagesUnderWayMax else {
            self.pageQueue.append(conversation)
            return
        }
        self.pagesUnderWay += 1
        guard self.credentials.needsRefresh(now: .now()) else {
            self.fetchPage(conversation, after: after)
            return
        }
        self.refresh().assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.fetchPage(conversation, after: after)
            case .failure(let error): self.fetched(conversation, .failure(error))
            }
        }
    }

    private func fetchPage(_ conversation: ConversationID, after: UInt64) {
        self.http.messages(
            in: conversation,
            after: after,
            limit: Limits.pageRowsMax,
            token: self.credentials.accessToken,
            edge: self.edge,
            on: self.eventLoop
        ).assumeIsolated().whenComplete { result in
            self.fetched(conversation, result)
        }
    }

    private func fetched(_ conversation: ConversationID, _ result: Result<MessagesResponse, any Error>) {
        self.pagesUnderWay -= 1
        guard !self.hasEnded else { return }
        switch result {
        case .success(let page): self.pageReceived(conversation, page)
        case .failure(let error): self.fetchFailed(conversation, TrunklineError(requestFailure: error))
        }
        if self.pagesUnderWay < self.settings.pagesUnderWayMax, !self.pageQueue.isEmpty {
            let next = self.pageQueue.removeFirst()
            if let position = self.position(in: next) { self.fetch(next, after: position) }
        }
        self.noteCaughtUp()
    }

    private func pageReceived(_ conversation: ConversationID, _ page: MessagesResponse) {
        self.statistics.pagesFetched += 1
        guard
            let outcome = self.cursors[conversation]?.change({
                $0.pageReceived(page.messages, hasMore: page.hasMore)
            })
        else { return }
        for range in outcome.skipped { self.emit(.skipped(conversation, range)) }
        for arrived in outcome.deliver { self.handOver(arrived.message, arrived.arrival) }
        if !self.gaps.isEmpty, self.cursors[conversation]?.hasGap == false { self.gaps[conversation] = nil }
        self.carryOut(outcome.action, conversation)
    }

    private func fetchFailed(_ conversation: ConversationID, _ error: TrunklineError) {
        self.statistics.pagesFailed += 1
        if error.code == .server(.tokenExpired) { self.credentials.accessTokenEndsAt = .now() }
        guard error.isRetryable || error.code == .server(.tokenExpired) else {
            self.cursors[conversation]?.fetchAbandoned()
            return
        }
        self.emit(.delayed(error))
        guard let action = self.cursors[conversation]?.pageFailed() else { return }
        self.carryOut(action, conversation)
    }
}
