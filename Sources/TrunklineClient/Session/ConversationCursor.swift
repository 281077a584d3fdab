// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol

/// A message in the order in which it is handed over.
package struct ArrivedMessage: Sendable, Equatable {
    package enum Arrival: Sendable {
        case live
        /// With a page of messages that was asked for, whoever sent it.
        case caughtUp
        /// It is this device's own, known from the answer to it.
        case own
    }

    package var message: DeliveredMessage
    package var arrival: Arrival

    package init(_ message: DeliveredMessage, _ arrival: Arrival) {
        self.message = message
        self.arrival = arrival
    }
}

/// How far a device has come in one conversation: puts what arrives live, over REST and as answers to own messages into
/// one order, so that each message is handed over once and in the order of `seq`. Pure.
///
///     received ──next in order──▶ handed over, and popReady() for what waited behind it
///         │
///         └──from further on────▶ waits (bounded) ──gap does not close──▶ a page is fetched ──▶ pageReceived
///
/// A page is the truth about what there is: a number that a page leaves out does not exist for this device.
package struct ConversationCursor: Sendable {
    /// Messages that may wait behind a gap. What comes beyond is dropped and fetched later.
    package static let waitingMessagesMax = 1024
    /// Pages in a row that brought nothing new while messages wait behind a gap; then the gap is passed over.
    package static let fruitlessPagesMax = 5

    /// The number that is handed over next.
    package private(set) var next: UInt64
    /// Messages with larger numbers than ``next``, by number.
    private var waiting: [UInt64: ArrivedMessage] = [:]
    private var isFetching = false
    /// A fetch was given up while something was missing: the next message that waits asks for it anew.
    private var isAbandoned = false
    /// Something may have been missed since the page under way was asked for.
    private var needsAnotherPage = false
    private var fruitlessPages = 0
    /// The largest number that came live on the present connection.
    private var lastLive: UInt64 = 0
    package private(set) var statistics = Statistics()

    /// What the wire brought, apart from how it was put in order.
    package struct Statistics: Sendable, Equatable {
        /// Messages that came live more than once on one connection.
        package var liveDuplicates = 0
        /// Messages that came live after one with a larger number on the same connection.
        package var liveOutOfOrder = 0
        /// Times that a message came while an earlier one was missing.
        package var gaps = 0
        /// Numbers passed over because no page had them.
        package var skipped = 0
        /// Messages dropped because too many waited, to be fetched.
        package var overflowed = 0

        package init() {}

        package static func += (left: inout Self, right: Self) {
            left.liveDuplicates += right.liveDuplicates
            left.liveOutOfOrder += right.liveOutOfOrder
            left.gaps += right.gaps
            left.skipped += right.skipped
            left.overflowed += right.overflowed
        }
    }

    /// - Parameter after: The number of the last message that the device has, 0 for none.
    package init(after: UInt64) {
        self.next = after + 1
    }

    /// Changes the cursor where it is stored.
    package mutating func change<Result>(_ change: (inout Self) -> Result) -> Result {
        change(&self)
    }

    package var hasGap: Bool { !self.waiting.isEmpty }
    package var waitingCount: Int { self.waiting.count }

    // MARK: - Messages

    package enum Verdict: Equatable, Sendable {
        /// Hand it over now, then everything that ``popReady()`` returns.
        case deliver
        /// It waits for an earlier one. `opensGap`: nothing waited before.
        case wait(opensGap: Bool)
        /// It was handed over, or waits, already.
        case known
        /// There was no room for it; ask for a page with ``catchUp()``.
        case overflow
    }

    /// A message that came live.
    package mutating func receivedLive(_ message: DeliveredMessage) -> Verdict {
        let seq = message.seq
        if seq <= self.lastLive {
            if seq == self.lastLive || seq < self.next || self.waiting[seq] != nil {
                self.statistics.liveDuplicates += 1
            } else {
                self.statistics.liveOutOfOrder += 1
            }
        } else {
            self.lastLive = seq
        }
        return self.take(message, .live)
    }

    /// Messages that came live one after the other, if the first is the next in order and none waits: then they may be
    /// handed over at once. Otherwise nothing has changed.
    package mutating func receivedNextLive(_ seqs: ClosedRange<UInt64>) -> Bool {
        guard seqs.lowerBound == self.next, seqs.lowerBound > self.lastLive, self.waiting.isEmpty else { return false }
        self.lastLive = seqs.upperBound
        self.next = seqs.upperBound + 1
        return true
    }

    /// An own message, known from the answer to it.
    package mutating func acknowledged(_ message: DeliveredMessage) -> Verdict {
        self.take(message, .own)
    }

    /// A message that a sync brought.
    package mutating func caughtUp(_ message: DeliveredMessage) -> Verdict {
        self.take(message, .caughtUp)
    }

    /// The next message in order, if it is there: call until it returns nil.
    package mutating func popReady() -> ArrivedMessage? {
        guard !self.waiting.isEmpty, let message = self.waiting.removeValue(forKey: self.next) else { return nil }
        self.next += 1
        return message
    }

    private mutating func take(_ message: DeliveredMessage, _ arrival: ArrivedMessage.Arrival) -> Verdict {
        guard message.seq >= self.next else { return .known }
        guard message.seq > self.next else {
            self.waiting[message.seq] = nil
            self.next += 1
            return .deliver
        }
        guard self.waiting[message.seq] == nil else { return .known }
        guard self.waiting.count < Self.waitingMessagesMax else {
            self.statistics.overflowed += 1
            self.needsAnotherPage = true
            return .overflow
        }
        let opensGap = self.waiting.isEmpty || self.isAbandoned
        self.isAbandoned = false
        if opensGap { self.statistics.gaps += 1 }
        self.waiting[message.seq] = ArrivedMessage(message, arrival)
        return .wait(opensGap: opensGap)
    }

    // MARK: - Pages

    package enum FetchAction: Equatable, Sendable {
        /// Ask for a page of messages after this number.
        case fetch(after: UInt64)
        /// Ask again after a pause with ``pauseEnded()``.
        case pause
        case none
    }

    /// Something may have been missed: after a new connection, a `resync`, or a gap that did not close.
    package mutating func catchUp() -> FetchAction {
        guard !self.isFetching else {
            self.needsAnotherPage = true
            return .none
        }
        self.isFetching = true
        self.needsAnotherPage = false
        return .fetch(after: self.next - 1)
    }

    /// A new connection: the order of what comes live starts anew.
    package mutating func connected() {
        self.lastLive = 0
    }

    package struct PageOutcome: Sendable {
        /// To be handed over, in this order.
        package var deliver: [ArrivedMessage] = []
        /// Numbers that do not exist for this device.
        package var skipped: [ClosedRange<UInt64>] = []
        package var action = FetchAction.none
    }

    /// The page that was asked for; its messages stand in ascending order.
    package mutating func pageReceived(_ messages: [DeliveredMessage], hasMore: Bool) -> PageOutcome {
        var outcome = PageOutcome()
        let before = self.next
        for message in messages where message.seq >= self.next {
            self.pass(to: message.seq, &outcome)
            self.waiting[message.seq] = nil
            self.next = message.seq + 1
            outcome.deliver.append(ArrivedMessage(message, .caughtUp))
        }
        while let ready = self.popReady() { outcome.deliver.append(ready) }
        self.isFetching = false
        self.fruitlessPages = self.next == before ? self.fruitlessPages + 1 : 0
        if hasMore && self.fruitlessPages < Self.fruitlessPagesMax || self.needsAnotherPage {
            outcome.action = self.catchUp()
        } else if let first = self.waiting.keys.min() {
            if self.fruitlessPages < Self.fruitlessPagesMax {
                self.isFetching = true
                outcome.action = .pause
            } else {
                self.fruitlessPages = 0
                self.pass(to: first, &outcome)
                while let ready = self.popReady() { outcome.deliver.append(ready) }
                if self.hasGap { outcome.action = self.catchUp() }
            }
        }
        return outcome
    }

    /// The page did not come.
    package mutating func pageFailed() -> FetchAction {
        .pause
    }

    /// The pause that ``pageReceived(_:hasMore:)`` or ``pageFailed()`` asked for is over.
    package mutating func pauseEnded() -> FetchAction {
        self.needsAnotherPage = false
        return .fetch(after: self.next - 1)
    }

    /// The fetch under way is given up, for good.
    package mutating func fetchAbandoned() {
        self.isFetching = false
        self.isAbandoned = true
    }

    /// Hands over what waits below `seq` and counts what is missing there.
    private mutating func pass(to seq: UInt64, _ outcome: inout PageOutcome) {
        while self.next < seq {
            if let ready = self.waiting.removeValue(forKey: self.next) {
                outcome.deliver.append(ready)
                self.next += 1
                continue
            }
            let end = self.waiting.keys.filter { $0 > self.next && $0 < seq }.min() ?? seq
            outcome.skipped.append(self.next...(end - 1))
            self.statistics.skipped += Int(clamping: end - self.next)
            self.next = end
        }
    }
}
