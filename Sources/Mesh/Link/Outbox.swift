// SPDX-License-Identifier: Apache-2.0

import DequeModule
import HeapModule
import NIOCore
import Wire

/// Everything that waits to leave over one link, and every request that waits for its answer, as a value.
///
/// Two queues share the bulk lane. **Answers** (responses) go first and need no credit: they are bounded by the
/// requests that asked for them, and if they had to wait behind requests, two nodes that both ran out of credit would
/// wait for each other for ever. **Requests and notifications** keep their order among themselves and wait for credit.
/// **Ephemeral** notifications have a queue of their own, whose frames leave only when no other frame waits: nothing
/// durable ever waits behind them. They are refused as soon as half a queue of anything waits, so that a link that is
/// slow sheds them long before it pushes back on durable traffic.
///
/// Any thread appends, the link's event loop takes; so the link keeps it in a lock, and acts on the results outside.
/// `Completion` is whatever tells the caller of a request; it is handed out exactly once.
struct Outbox<Completion: Sendable>: Sendable {
    struct Bounds: Sendable {
        /// Bytes that may wait in each of the two queues.
        var queuedBytesMax: Int
        /// Requests and notifications that may wait.
        var queuedFramesMax: Int
        var pendingRequestsMax: Int
    }

    struct Pending {
        var completion: Completion
        var deadline: NIODeadline
        var isSent: Bool
    }

    struct Deadline: Comparable {
        var time: NIODeadline
        var id: UInt64

        static func < (left: Self, right: Self) -> Bool { left.time < right.time }
    }

    struct Answer {
        var response: ResponseFrame
        /// Credit that the request took, released when the answer leaves.
        var creditBytes: Int
    }

    let bounds: Bounds
    var answers: Deque<Answer> = []
    var answerBytes = 0
    var queue: Deque<Frame> = []
    var queuedBytes = 0
    var ephemeral: Deque<Frame> = []
    var ephemeralBytes = 0
    var pending: [UInt64: Pending] = [:]
    /// Earliest first; holds deadlines of requests that are answered already, until they come up or are too many.
    var deadlines: Heap<Deadline> = []
    /// Requests in the queue that are not waited for any more.
    var deadInQueue = 0
    private var nextRequestID: UInt64 = 1
    /// What the peer lets this node have under way.
    var creditItems: Int
    var creditBytes: Int
    let creditItemsMax: Int
    let creditBytesMax: Int
    /// What this node lets the peer have under way.
    var ledger: CreditLedger
    /// A drain is on its way, or waits for the socket; nobody else needs to start one.
    private var isDraining = false
    var isClosed = false

    init(bounds: Bounds, creditItems: Int, creditBytes: Int, ledger: CreditLedger) {
        self.bounds = bounds
        self.creditItems = creditItems
        self.creditItemsMax = creditItems
        self.creditBytes = creditBytes
        self.creditBytesMax = creditBytes
        self.ledger = ledger
    }

    var queuedFrames: Int { self.queue.count + self.ephemeral.count }
    var queuedResponses: Int { self.answers.count }
    var pendingRequests: Int { self.pending.count }
    var rememberedDeadlines: Int { self.deadlines.count }

    private var hasCredit: Bool { self.creditItems > 0 && self.creditBytes > 0 }
    private var canSend: Bool {
        !self.answers.isEmpty || self.ledger.isDue
            || (self.hasCredit && !(self.queue.isEmpty && self.ephemeral.isEmpty))
    }
}

// MARK: - From any thread

extension Outbox {
    enum Enqueued: Equatable {
        /// The caller starts a drain on the event loop if told so.
        case queued(startDrain: Bool)
        /// Nothing was taken.
        case overloaded
        case closed
    }

    /// `completion` is taken only when the result is `queued`.
    mutating func enqueueRequest(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        deadline: NIODeadline,
        completion: Completion
    ) -> Enqueued {
        guard !self.isClosed else { return .closed }
        // The milliseconds are what is left when the frame leaves.
        let frame = Frame.request(
            RequestFrame(
                id: self.nextRequestID,
                kind: kind,
                slot: slot,
                epoch: epoch,
                deadlineMilliseconds: 0,
                payload: payload
            )
        )
        guard self.pending.count < self.bounds.pendingRequestsMax, self.hasRoom(for: frame) else {
            return .overloaded
        }
        let id = self.nextRequestID
        self.nextRequestID += 1
        self.pending[id] = Pending(completion: completion, deadline: deadline, isSent: false)
        self.deadlines.insert(Deadline(time: deadline, id: id))
        self.forgetOldDeadlines()
        return self.append(frame)
    }

    mutating func enqueueNotification(kind: UInt16, payload: ByteBuffer, class trafficClass: TrafficClass) -> Enqueued {
        guard !self.isClosed else { return .closed }
        let frame = Frame.notification(NotificationFrame(kind: kind, payload: payload))
        switch trafficClass {
        case .durable:
            guard self.hasRoom(for: frame) else { return .overloaded }
            return self.append(frame)
        case .ephemeral:
            guard self.hasEphemeralRoom(for: frame) else { return .overloaded }
            self.ephemeralBytes += frame.encodedBytes
            self.ephemeral.append(frame)
            return .queued(startDrain: self.startDrain())
        }
    }

    enum EnqueuedResponse: Equatable {
        case queued(startDrain: Bool)
        /// The queue of answers is full, or the answer too large. The news that it was lost was queued in its place.
        case lost(startDrain: Bool)
        case closed
    }

    /// Queues the answer to a request that took `creditBytes` of credit. There is always room for the news that an
    /// answer was lost, as the requests are bounded.
    mutating func enqueueResponse(_ response: ResponseFrame, creditBytes: Int) -> EnqueuedResponse {
        guard !self.isClosed else { return .closed }
        var answer = Answer(response: response, creditBytes: creditBytes)
        let bytes = Frame.response(response).encodedBytes
        let hasRoom = self.answerBytes + bytes <= self.bounds.queuedBytesMax && bytes <= FrameLimits.frameBytesMax
        if !hasRoom {
            answer.response.status = InboundRequest.answerLostStatus
            answer.response.payload = ByteBuffer()
        }
        self.answerBytes += Frame.response(answer.response).encodedBytes
        self.answers.append(answer)
        let startDrain = self.startDrain()
        return hasRoom ? .queued(startDrain: startDrain) : .lost(startDrain: startDrain)
    }

    private func hasRoom(for frame: Frame) -> Bool {
        self.queue.count < self.bounds.queuedFramesMax
            && self.queuedBytes + frame.encodedBytes <= self.bounds.queuedBytesMax
    }

    private func hasEphemeralRoom(for frame: Frame) -> Bool {
        self.queuedFrames < self.bounds.queuedFramesMax / 2
            && self.queuedBytes + self.ephemeralBytes + frame.encodedBytes <= self.bounds.queuedBytesMax / 2
    }

    private mutating func append(_ frame: Frame) -> Enqueued {
        self.queuedBytes += frame.encodedBytes
        self.queue.append(frame)
        return .queued(startDrain: self.startDrain())
    }

    mutating func startDrain() -> Bool {
        guard !self.isDraining, self.canSend else { return false }
        self.isDraining = true
        return true
    }

    /// Answered requests leave their deadline behind; once these are the most, only the others are kept.
    private mutating func forgetOldDeadlines() {
        guard self.deadlines.count > 2 * self.pending.count + 1024 else { return }
        self.deadlines = Heap(self.pending.map { Deadline(time: $0.value.deadline, id: $0.key) })
    }
}

// MARK: - From the event loop: sending

extension Outbox {
    /// What goes into one block.
    struct Batch {
        var frames: [Frame] = []
        var bytes = 0
        /// Requests whose deadline passed before they could be sent.
        var expired: [Completion] = []

        fileprivate func fits(_ bytes: Int) -> Bool {
            guard !self.frames.isEmpty else { return true }
            return self.frames.count < BlockLimits.framesMax && self.bytes + bytes <= BlockLimits.blockBytesMax
        }

        fileprivate mutating func append(_ frame: Frame, bytes: Int) {
            self.frames.append(frame)
            self.bytes += bytes
        }
    }

    /// Takes what can be sent now, up to one block. When there is nothing the drain is over, and whoever makes something
    /// sendable starts the next; so it is to be called until it returns no frames, or to be continued later.
    mutating func takeBatch(now: NIODeadline) -> Batch {
        var batch = Batch()
        if let credit = self.ledger.takeDue() {
            let frame = Frame.credit(credit)
            batch.append(frame, bytes: frame.encodedBytes)
        }
        self.takeAnswers(into: &batch)
        self.takeQueued(into: &batch, now: now)
        self.takeEphemeral(into: &batch)
        if batch.frames.isEmpty { self.isDraining = false }
        return batch
    }

    private mutating func takeAnswers(into batch: inout Batch) {
        while let answer = self.answers.first {
            let frame = Frame.response(answer.response)
            let bytes = frame.encodedBytes
            guard batch.fits(bytes) else { return }
            self.answers.removeFirst()
            self.answerBytes -= bytes
            self.ledger.release(items: 1, bytes: answer.creditBytes)
            batch.append(frame, bytes: bytes)
        }
    }

    private mutating func takeQueued(into batch: inout Batch, now: NIODeadline) {
        while self.hasCredit, let frame = self.queue.first {
            let bytes = frame.encodedBytes
            guard batch.fits(bytes) else { return }
            self.queue.removeFirst()
            self.queuedBytes -= bytes
            guard let leaving = self.leaving(frame, now: now, expired: &batch.expired) else { continue }
            self.creditItems -= 1
            self.creditBytes -= bytes
            batch.append(leaving, bytes: bytes)
        }
    }

    private mutating func takeEphemeral(into batch: inout Batch) {
        guard self.queue.isEmpty else { return }
        while self.hasCredit, let frame = self.ephemeral.first {
            let bytes = frame.encodedBytes
            guard batch.fits(bytes) else { return }
            self.ephemeral.removeFirst()
            self.ephemeralBytes -= bytes
            self.creditItems -= 1
            self.creditBytes -= bytes
            batch.append(frame, bytes: bytes)
        }
    }

    /// The frame as it is sent, or nil for a request that nobody waits for any more.
    private mutating func leaving(_ frame: Frame, now: NIODeadline, expired: inout [Completion]) -> Frame? {
        guard case .request(var request) = frame else { return frame }
        guard let waiting = self.pending[request.id] else {
            self.deadInQueue -= 1
            return nil
        }
        guard now < waiting.deadline else {
            self.pending[request.id] = nil
            expired.append(waiting.completion)
            return nil
        }
        self.pending[request.id]?.isSent = true
        let milliseconds = ((waiting.deadline - now).nanoseconds + 999_999) / 1_000_000
        request.deadlineMilliseconds = UInt32(clamping: milliseconds)
        return .request(request)
    }
}
