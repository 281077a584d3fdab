// SPDX-License-Identifier: Apache-2.0

package import Messaging
package import NIOCore
package import Placement
package import Wire

/// One sync of one session. Pure: what the routers say goes in, what to ask and to write comes out.
///
///     ask every router ──▶ compare heads in the slots that no router vouches for ──▶ read pages, receipts ──▶ finish
///
/// **Nothing is missed** (contract C4). Every router is asked over the link that carried the announcement of the session,
/// so what a router sends after its answer comes to this session; what it sent before is in its answer, or is stored
/// and found by a comparison that begins after the last answer. So the sync brings each conversation up to the head it
/// was told, not further, and everything beyond comes live.
///
/// **Nothing comes twice, or out of order.** Live messages of a conversation that is not up to date yet are held, within
/// a bound of bytes; at the bound they are left out, and the conversation is read on to the largest number that was.
/// What is at or below the number that the session has is left out.
///
/// **Receipts** only grow, so they are neither held nor ordered: those that come live go through, and what is left out of
/// them, or was missed, is read once for each conversation. What comes twice says nothing.
package struct SyncMachine {
    package struct Bounds: Sendable {
        /// Messages that one conversation may have to catch up with; with more it is told as too far.
        package var messagesPerConversationMax: Int
        /// Messages of one sync; conversations beyond are told as too far.
        package var messagesMax: Int
        /// Bytes of live events that are held.
        package var heldBytesMax: Int
        /// Conversations of which receipts are sent; those beyond are named.
        package var receiptConversationsMax = 2000
        /// Pages, and receipts of several conversations, that are read at the same time.
        package var readsMax = 4

        package init(messagesPerConversationMax: Int, messagesMax: Int, heldBytesMax: Int) {
            self.messagesPerConversationMax = messagesPerConversationMax
            self.messagesMax = messagesMax
            self.heldBytesMax = heldBytesMax
        }
    }

    package enum Action: Equatable {
        /// Ask every linked router, then ``answered(_:)``.
        case ask
        /// Compare the heads of all of the user's conversations outside of these slots, then ``compared(_:)``.
        case compare(except: SlotSet)
        /// Read a page, then ``pageRead(_:_:)``.
        case read(ConversationID, after: UInt64)
        /// Read how far the members have come, then ``receiptsRead(_:_:)``.
        case readReceipts([ConversationID])
        case write(conversation: ConversationID, [Message], headSeq: UInt64, hasMore: Bool)
        case writeReceipts([ConversationReceipts])
        /// Live events that were held.
        case release([ByteBuffer])
        case finish(Outcome)
        case fail(Failure)
    }

    package struct TooFar: Equatable {
        package var conversation: ConversationID
        package var headSeq: UInt64
        package var after: UInt64
    }

    package struct Outcome: Equatable {
        package var changed = 0
        package var tooFar: [TooFar] = []
        package var removed: [ConversationID] = []
        package var updated: [ConversationID] = []
        /// Conversations of which it could not be found out, or not be read, what is missing.
        package var unavailable: [ConversationID] = []
        /// Conversations whose receipts were too many.
        package var receiptsLeftOut: [ConversationID] = []
        package var isFull = false
        /// What the device has now, by the routers that answered.
        package var positions: [Incarnation: UInt64] = [:]
    }

    package enum Page {
        case messages([Message], hasMore: Bool)
        /// The user is not in the conversation any more.
        case gone
        case failed(Failure)
    }

    /// A live event on its way to the session.
    package struct Live: Equatable {
        package var conversation: ConversationID
        /// 0 for an event that is no message.
        package var seq: UInt64
        package var isReceipts: Bool
        package var frame: ByteBuffer

        package init(conversation: ConversationID, seq: UInt64, isReceipts: Bool = false, frame: ByteBuffer) {
            self.conversation = conversation
            self.seq = seq
            self.isReceipts = isReceipts
            self.frame = frame
        }
    }

    package enum Verdict: Equatable {
        case write
        /// The machine has it, or it is not needed.
        case keep
    }

    private enum Phase {
        case asking
        case comparing
        case reading
        case ended
    }

    /// A conversation that is being brought up to date.
    private struct Track {
        var target: UInt64
        var isBeingRead = false
    }

    private struct Held {
        var events: [Live] = []
        /// The largest number that was left out.
        var leftOut: UInt64 = 0
    }

    private let bounds: Bounds
    /// The device asked for receipts.
    private let wantsReceipts: Bool
    private let token: ResumeToken?
    /// Router lives that ended in order, with their last position.
    private let endedLives: [Incarnation: UInt64]
    private var phase = Phase.asking
    /// By conversation the last number that the session has.
    package private(set) var floors: [ConversationID: UInt64]
    private var tracks: [ConversationID: Track] = [:]
    /// Conversations that wait to be read, the next one last.
    private var queue: [ConversationID] = []
    private var reads = 0
    private var receipts: SyncReceiptQueue
    private var held: [ConversationID: Held] = [:]
    private var heldBytes = 0
    private var isWritable = true
    private var changesOfLogs: [ConversationChanged] = []
    private var outcome = Outcome()
    private var written: Set<ConversationID> = []

    package init(
        cursors: [ConversationID: UInt64],
        token: ResumeToken?,
        endedLives: [Incarnation: UInt64] = [:],
        wantsReceipts: Bool = false,
        bounds: Bounds
    ) {
        self.wantsReceipts = wantsReceipts
        self.receipts = SyncReceiptQueue(conversationsMax: bounds.receiptConversationsMax)
        self.endedLives = endedLives
        self.floors = cursors
        self.token = token
        self.bounds = bounds
    }

    package var isEnded: Bool {
        if case .ended = self.phase { true } else { false }
    }

    /// The positions that the session will have; empty before the routers answered.
    var positions: [Incarnation: UInt64] { self.outcome.positions }

    // MARK: - What changed

    package func start() -> [Action] { [.ask] }

    /// All linked routers have answered.
    package mutating func answered(_ answers: [ChangesSince]) -> [Action] {
        guard case .asking = self.phase else { return [] }
        self.outcome.positions = Dictionary(answers.map { ($0.life, $0.position) }, uniquingKeysWith: { max($0, $1) })
        let vouched = Self.vouched(answers, token: self.token, endedLives: self.endedLives)
        self.changesOfLogs = answers.flatMap(\.changed).filter { vouched.contains(Slot(of: $0.conversation.value)) }
        guard vouched.count < Slot.count else { return self.plan([]) }
        self.outcome.isFull = true
        self.phase = .comparing
        return [.compare(except: vouched)]
    }

    /// The slots for which what the routers told is everything.
    ///
    /// None when a life of the token does not answer: it may have sent something that never came, in slots that are
    /// others' by now; unless it ended in order and the device has had its last. None when the routers go by different views: one of them may not know yet that it lost slots.
    package static func vouched(
        _ answers: [ChangesSince],
        token: ResumeToken?,
        endedLives: [Incarnation: UInt64] = [:]
    ) -> SlotSet {
        var slots = SlotSet()
        guard let token else { return slots }
        let lives = token.positions.filter { life, position in endedLives[life].map { position < $0 } ?? true }.keys
        guard Set(answers.map(\.life)).isSuperset(of: lives),
            Set(answers.map(\.routing)).count == 1, !answers.contains(where: \.hasForgotten)
        else { return slots }
        for answer in answers { slots.formUnion(answer.complete) }
        return slots
    }

    /// - Parameter unavailable: those whose owners or shards did not answer.
    package mutating func compared(_ changes: [ConversationChanged], unavailable: [ConversationID] = []) -> [Action] {
        guard case .comparing = self.phase else { return [] }
        self.outcome.unavailable = unavailable
        return self.plan(changes)
    }

    /// The routers could not be asked, or the list of conversations not be read.
    package mutating func failed(_ failure: Failure) -> [Action] {
        guard !self.isEnded else { return [] }
        self.end()
        return [.fail(failure)]
    }

    private mutating func plan(_ compared: [ConversationChanged]) -> [Action] {
        self.phase = .reading
        var newest: [ConversationID: ConversationChanged] = [:]
        for change in self.changesOfLogs + compared {
            guard var known = newest[change.conversation] else {
                newest[change.conversation] = change
                continue
            }
            // A former owner may know an older state of it than the present one.
            let (head, isUpdated) = (max(known.headSeq, change.headSeq), known.isUpdated || change.isUpdated)
            let hasReceipts = known.hasReceipts || change.hasReceipts
            if change.membersVersion > known.membersVersion { known = change }
            known.headSeq = head
            known.isUpdated = isUpdated
            known.hasReceipts = hasReceipts
            newest[change.conversation] = known
        }
        self.changesOfLogs = []
        var gaps: [(conversation: ConversationID, after: UInt64, head: UInt64)] = []
        for change in newest.values.sorted(by: { $0.conversation < $1.conversation }) {
            let cursor = self.floors[change.conversation]
            guard !change.isRemoved else {
                if cursor != nil { self.outcome.removed.append(change.conversation) }
                continue
            }
            let after = max(cursor ?? 0, change.joinedSeq)
            if change.hasReceipts || cursor == nil { self.wantReceipts(change.conversation) }
            if change.isUpdated || cursor == nil { self.outcome.updated.append(change.conversation) }
            if change.headSeq > after { gaps.append((change.conversation, after, change.headSeq)) }
        }
        // The small ones first, so that as many conversations as possible are brought up to date.
        gaps.sort { ($0.head - $0.after, $0.conversation) < ($1.head - $1.after, $1.conversation) }
        var messages: UInt64 = 0
        for (conversation, after, head) in gaps {
            messages += min(head - after, UInt64(self.bounds.messagesPerConversationMax) + 1)
            guard head - after <= UInt64(self.bounds.messagesPerConversationMax),
                messages <= UInt64(self.bounds.messagesMax)
            else {
                self.outcome.tooFar.append(TooFar(conversation: conversation, headSeq: head, after: after))
                self.floors[conversation] = head
                continue
            }
            self.floors[conversation] = after
            self.tracks[conversation] = Track(target: head)
            self.queue.append(conversation)
        }
        self.queue.reverse()
        var actions: [Action] = []
        for conversation in self.held.keys.sorted() where self.tracks[conversation] == nil {
            self.release(conversation, &actions)
        }
        self.advance(&actions)
        return actions
    }

    // MARK: - Pages

    /// A page of messages after the number that was asked for, in ascending order.
    package mutating func pageRead(_ conversation: ConversationID, _ page: Page) -> [Action] {
        guard case .reading = self.phase, let track = self.tracks[conversation], track.isBeingRead else { return [] }
        self.reads -= 1
        self.tracks[conversation]?.isBeingRead = false
        var actions: [Action] = []
        switch page {
        case .failed:
            // One shard that is away does not keep the others' conversations from being brought up to date.
            self.tracks[conversation] = nil
            self.outcome.unavailable.append(conversation)
            self.release(conversation, &actions)
        case .gone:
            self.tracks[conversation] = nil
            self.outcome.removed.append(conversation)
            self.release(conversation, &actions)
        case .messages(let messages, let hasMore):
            let floor = self.floors[conversation] ?? 0
            let wanted = messages.filter { $0.seq > floor && $0.seq <= track.target }
            let reached = wanted.last?.seq ?? floor
            // A page without what was promised: the rest does not exist any more.
            let isDone = reached >= track.target || wanted.isEmpty || (!hasMore && wanted.count == messages.count)
            self.floors[conversation] = isDone ? track.target : reached
            if !wanted.isEmpty {
                self.written.insert(conversation)
                actions.append(
                    .write(conversation: conversation, wanted, headSeq: track.target, hasMore: !isDone)
                )
            }
            if isDone {
                self.tracks[conversation] = nil
                self.release(conversation, &actions)
            } else {
                self.queue.append(conversation)
            }
        }
        self.advance(&actions)
        return actions
    }

    // MARK: - Receipts

    private mutating func wantReceipts(_ conversation: ConversationID) {
        if self.wantsReceipts { self.receipts.want(conversation) }
    }

    /// - Parameter receipts: those that the user may see; nil when they could not be read.
    package mutating func receiptsRead(
        _ conversations: [ConversationID],
        _ receipts: [ConversationReceipts]?
    ) -> [Action] {
        guard case .reading = self.phase, self.reads > 0 else { return [] }
        self.reads -= 1
        var actions: [Action] = []
        if let receipts {
            if !receipts.isEmpty { actions.append(.writeReceipts(receipts)) }
        } else {
            self.outcome.unavailable += conversations.filter { !self.outcome.unavailable.contains($0) }
        }
        self.advance(&actions)
        return actions
    }

    package mutating func writabilityChanged(_ isWritable: Bool) -> [Action] {
        self.isWritable = isWritable
        guard isWritable, case .reading = self.phase else { return [] }
        var actions: [Action] = []
        for conversation in self.held.keys.sorted() where self.tracks[conversation] == nil {
            self.release(conversation, &actions)
        }
        self.advance(&actions)
        return actions
    }

    /// Begins the reads that there is room for; ends when nothing is left.
    private mutating func advance(_ actions: inout [Action]) {
        while self.isWritable, self.reads < self.bounds.readsMax, let conversation = self.queue.popLast() {
            self.reads += 1
            self.tracks[conversation]?.isBeingRead = true
            actions.append(.read(conversation, after: self.floors[conversation] ?? 0))
        }
        while self.isWritable, self.reads < self.bounds.readsMax, !self.receipts.isEmpty {
            self.reads += 1
            actions.append(.readReceipts(self.receipts.next(atMost: ReadReceipts.conversationsMax)))
        }
        guard self.tracks.isEmpty, self.held.isEmpty, self.receipts.isEmpty, self.reads == 0 else { return }
        self.outcome.receiptsLeftOut = self.receipts.leftOut.sorted()
        self.outcome.changed = self.written.count
        self.outcome.updated = self.outcome.updated.filter { !self.outcome.removed.contains($0) }
        let outcome = self.outcome
        self.end()
        actions.append(.finish(outcome))
    }

    private mutating func end() {
        self.phase = .ended
        self.tracks = [:]
        self.queue = []
        self.receipts.removeAll()
        self.held = [:]
        self.heldBytes = 0
    }

    // MARK: - Live events

    package mutating func offer(_ live: Live) -> Verdict {
        guard !live.isReceipts else {
            if self.isWritable || self.isEnded { return .write }
            self.wantReceipts(live.conversation)
            return .keep
        }
        switch self.phase {
        case .ended:
            return self.isKnown(live) ? .keep : .write
        case .asking, .comparing:
            self.hold(live)
            return .keep
        case .reading:
            if self.tracks[live.conversation] == nil {
                guard !self.isKnown(live) else { return .keep }
                if self.isWritable, self.held[live.conversation] == nil {
                    self.passed(live)
                    return .write
                }
            }
            self.hold(live)
            return .keep
        }
    }

    private func isKnown(_ live: Live) -> Bool {
        live.seq > 0 && live.seq <= self.floors[live.conversation] ?? 0
    }

    private mutating func passed(_ live: Live) {
        if live.seq > 0 { self.floors[live.conversation] = live.seq }
    }

    private mutating func hold(_ live: Live) {
        var held = self.held[live.conversation] ?? Held()
        let bytes = live.frame.readableBytes + Self.heldOverheadBytes
        if self.heldBytes + bytes <= self.bounds.heldBytesMax {
            held.events.append(live)
            self.heldBytes += bytes
        } else if live.seq > 0 {
            held.leftOut = max(held.leftOut, live.seq)
        } else if self.outcome.updated.last != live.conversation {
            self.outcome.updated.append(live.conversation)
        }
        if !held.events.isEmpty || held.leftOut > 0 { self.held[live.conversation] = held }
    }

    /// What an event costs beside its frame.
    private static let heldOverheadBytes = 128

    /// The conversation is up to date: what was held of it goes out, or it is read on when some was left out.
    private mutating func release(_ conversation: ConversationID, _ actions: inout [Action]) {
        guard let held = self.held[conversation] else { return }
        if held.leftOut > self.floors[conversation] ?? 0 {
            self.held[conversation]?.leftOut = 0
            self.tracks[conversation] = Track(target: held.leftOut)
            self.queue.append(conversation)
            return
        }
        // One that was held with what the socket had no room for waits with it.
        guard self.isWritable else { return }
        var frames: [ByteBuffer] = []
        for live in held.events {
            self.heldBytes -= live.frame.readableBytes + Self.heldOverheadBytes
            guard !self.isKnown(live) else { continue }
            self.passed(live)
            frames.append(live.frame)
        }
        self.held[conversation] = nil
        if !frames.isEmpty { actions.append(.release(frames)) }
    }
}
