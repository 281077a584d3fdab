// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing
import Wire

@testable import Mesh

@Suite("Outbox")
struct OutboxTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func outbox(
        bytes: Int = 1 << 20,
        frames: Int = 1000,
        pending: Int = 1000,
        creditItems: Int = 100,
        creditBytes: Int = 1 << 20,
        ledger: CreditLedger = CreditLedger(itemsMax: 8, bytesMax: 1000)
    ) -> Outbox<Int> {
        Outbox(
            bounds: Outbox.Bounds(queuedBytesMax: bytes, queuedFramesMax: frames, pendingRequestsMax: pending),
            creditItems: creditItems,
            creditBytes: creditBytes,
            ledger: ledger
        )
    }

    @discardableResult
    private static func ask(
        _ outbox: inout Outbox<Int>,
        _ completion: Int,
        seconds: Int64 = 10,
        bytes: Int = 10
    ) -> Outbox<Int>.Enqueued {
        outbox.enqueueRequest(
            kind: 1,
            slot: 2,
            epoch: 3,
            payload: ByteBuffer(repeating: 0, count: bytes),
            deadline: Self.start + .seconds(seconds),
            completion: completion
        )
    }

    @discardableResult
    private static func tell(
        _ outbox: inout Outbox<Int>,
        _ kind: UInt16 = 1,
        bytes: Int = 10,
        class trafficClass: TrafficClass = .durable
    ) -> Outbox<Int>.Enqueued {
        outbox.enqueueNotification(
            kind: kind,
            payload: ByteBuffer(repeating: 0, count: bytes),
            class: trafficClass
        )
    }

    private static func answer(_ outbox: inout Outbox<Int>, _ id: UInt64) -> Outbox<Int>.EnqueuedResponse {
        outbox.enqueueResponse(ResponseFrame(id: id, status: 1, payload: ByteBuffer()), creditBytes: 40)
    }

    private static func take(_ outbox: inout Outbox<Int>) -> [Frame] {
        outbox.takeBatch(now: Self.start).frames
    }

    @Test("Only the first who appends starts a drain, until one found nothing")
    func drains() {
        var outbox = Self.outbox()
        #expect(Self.tell(&outbox) == .queued(startDrain: true))
        #expect(Self.tell(&outbox) == .queued(startDrain: false))
        #expect(Self.take(&outbox).count == 2)
        #expect(Self.tell(&outbox) == .queued(startDrain: false))
        #expect(Self.take(&outbox).count == 1)
        #expect(Self.take(&outbox).isEmpty)
        #expect(Self.tell(&outbox) == .queued(startDrain: true))
    }

    @Test("Requests and notifications keep their order, and answers pass them")
    func order() {
        var outbox = Self.outbox()
        Self.tell(&outbox, 1)
        Self.ask(&outbox, 0)
        Self.tell(&outbox, 2)
        #expect(Self.answer(&outbox, 9) == .queued(startDrain: false))
        #expect(Self.take(&outbox).map { $0.name } == ["response", "notification", "request", "notification"])
    }

    @Test("A batch is at most one block")
    func blocks() {
        var outbox = Self.outbox()
        for _ in 0..<3 { Self.tell(&outbox, bytes: 30_000) }
        #expect(Self.take(&outbox).count == 2)
        Self.tell(&outbox, bytes: 500_000)
        Self.tell(&outbox)
        #expect(Self.take(&outbox).count == 1)
        #expect(Self.take(&outbox).count == 1)
        #expect(Self.take(&outbox).count == 1)
        #expect(outbox.queuedBytes == 0)
    }

    @Test("Without credit requests and notifications wait, answers do not")
    func credit() {
        var outbox = Self.outbox(creditItems: 2)
        for completion in 0..<4 { Self.ask(&outbox, completion) }
        #expect(Self.take(&outbox).count == 2)
        #expect(Self.take(&outbox).isEmpty)
        #expect(Self.tell(&outbox) == .queued(startDrain: false), "nothing can be sent")
        #expect(Self.answer(&outbox, 1) == .queued(startDrain: true))
        #expect(Self.take(&outbox).map { $0.name } == ["response"])
        #expect(Self.take(&outbox).isEmpty)
        #expect(outbox.creditReceived(CreditFrame(items: 1, bytes: 0)) == true)
        #expect(Self.take(&outbox).count == 1)
        #expect(outbox.queuedFrames == 2)
        #expect(outbox.creditReceived(CreditFrame(items: 3, bytes: 0)) == nil, "more than was used")
    }

    @Test("A frame may take the credit of bytes below zero, once")
    func creditBytes() {
        var outbox = Self.outbox(creditBytes: 100)
        for _ in 0..<3 { Self.tell(&outbox, bytes: 90) }
        #expect(Self.take(&outbox).count == 2)
        #expect(Self.take(&outbox).isEmpty)
        #expect(outbox.creditBytes == 100 - 2 * 97)
        #expect(outbox.creditReceived(CreditFrame(items: 1, bytes: 94)) == false)
        #expect(outbox.creditReceived(CreditFrame(items: 1, bytes: 1)) == true)
        #expect(Self.take(&outbox).count == 1)
    }

    @Test("Ephemeral traffic leaves only when nothing durable waits, and is shed when much durable does")
    func ephemeralLeavesLast() {
        var outbox = Self.outbox(frames: 4, creditItems: 2)
        Self.tell(&outbox, 1, class: .ephemeral)
        Self.tell(&outbox, 2)
        Self.tell(&outbox, 3)
        #expect(Self.tell(&outbox, 4, class: .ephemeral) == .overloaded)
        Self.tell(&outbox, 5)
        func kinds(_ frames: [Frame]) -> [UInt16] {
            frames.compactMap { if case .notification(let frame) = $0 { frame.kind } else { nil } }
        }
        #expect(kinds(Self.take(&outbox)) == [2, 3])
        _ = Self.take(&outbox)
        #expect(outbox.creditReceived(CreditFrame(items: 2, bytes: 34)) == true)
        #expect(kinds(Self.take(&outbox)) == [5, 1])
        #expect(outbox.queuedFrames == 0 && outbox.ephemeralBytes == 0)
        Self.tell(&outbox, 6, class: .ephemeral)
        #expect(outbox.close().notifications == 1)
    }

    @Test("At the bounds durable traffic is refused; ephemeral traffic from half of them on")
    func bounds() {
        var outbox = Self.outbox(frames: 4)
        #expect(Self.tell(&outbox, class: .ephemeral) == .queued(startDrain: true))
        #expect(Self.tell(&outbox, class: .ephemeral) == .queued(startDrain: false))
        #expect(Self.tell(&outbox, class: .ephemeral) == .overloaded)
        for _ in 0..<3 { #expect(Self.tell(&outbox) == .queued(startDrain: false)) }
        #expect(Self.ask(&outbox, 0) == .queued(startDrain: false))
        #expect(Self.tell(&outbox) == .overloaded)
        #expect(Self.ask(&outbox, 1) == .overloaded)
        #expect(outbox.queuedFrames == 6, "what is ephemeral takes no room from what is durable")
        #expect(outbox.pendingRequests == 1, "a refused request is not waited for")
        var small = Self.outbox(bytes: 100)
        #expect(Self.tell(&small, bytes: 93) == .queued(startDrain: true))
        #expect(Self.tell(&small, bytes: 0) == .overloaded)
        var few = Self.outbox(pending: 1)
        #expect(Self.ask(&few, 0) == .queued(startDrain: true))
        _ = Self.take(&few)
        #expect(Self.ask(&few, 1) == .overloaded)
        #expect(few.responseReceived(id: 1) == 0)
        #expect(Self.ask(&few, 2) != .overloaded)
    }

    @Test("An answer that finds no room is replaced by the news that it was lost")
    func lostAnswers() {
        var outbox = Self.outbox(bytes: 200)
        let payload = ByteBuffer(repeating: 0, count: 150)
        #expect(
            outbox.enqueueResponse(ResponseFrame(id: 1, status: 1, payload: payload), creditBytes: 1)
                == .queued(startDrain: true)
        )
        #expect(
            outbox.enqueueResponse(ResponseFrame(id: 2, status: 1, payload: payload), creditBytes: 1)
                == .lost(startDrain: false)
        )
        #expect(
            Self.take(&outbox) == [
                .response(ResponseFrame(id: 1, status: 1, payload: payload)),
                .response(ResponseFrame(id: 2, status: 255, payload: ByteBuffer())),
            ]
        )
    }

    @Test("The peer's credit is given back in quarters, when answers have left")
    func ledger() {
        var outbox = Self.outbox()
        #expect(outbox.used(items: 3, bytes: 120, releasedItems: 0, releasedBytes: 0) == false)
        #expect(Self.answer(&outbox, 1) == .queued(startDrain: true))
        #expect(Self.take(&outbox).map { $0.name } == ["response"])
        #expect(Self.take(&outbox).isEmpty)
        #expect(Self.answer(&outbox, 2) == .queued(startDrain: true))
        #expect(Self.take(&outbox).map { $0.name } == ["response"])
        #expect(Self.take(&outbox) == [.credit(CreditFrame(items: 2, bytes: 80))])
        #expect(outbox.ledger.heldItems == 1)
        #expect(outbox.used(items: 2, bytes: 30, releasedItems: 2, releasedBytes: 30) == false, "a drain is under way")
        #expect(Self.take(&outbox) == [.credit(CreditFrame(items: 2, bytes: 30))])
        #expect(outbox.used(items: 7, bytes: 70, releasedItems: 0, releasedBytes: 0) != nil)
        #expect(outbox.used(items: 1, bytes: 1, releasedItems: 0, releasedBytes: 0) == nil, "more than it had")
    }

    @Test("A request that is over its deadline ends, and tells whether it had left")
    func deadlines() {
        var outbox = Self.outbox(creditItems: 1)
        Self.ask(&outbox, 10, seconds: 3)
        Self.ask(&outbox, 11, seconds: 2)
        Self.ask(&outbox, 12, seconds: 9)
        guard case .request(let sent) = Self.take(&outbox).first else {
            Issue.record("nothing sent")
            return
        }
        #expect(sent.deadlineMilliseconds == 3000)
        #expect(outbox.expire(now: Self.start + .seconds(1)).isEmpty)
        let expired = outbox.expire(now: Self.start + .seconds(3))
        #expect(expired.map { $0.completion } == [11, 10])
        #expect(expired.map { $0.isSent } == [false, true])
        #expect(outbox.responseReceived(id: sent.id) == nil, "nobody waits for it any more")
        // The dead one takes no credit and is not sent.
        #expect(outbox.creditReceived(CreditFrame(items: 1, bytes: 0)) != nil)
        let rest = outbox.takeBatch(now: Self.start + .seconds(4))
        #expect(rest.frames.count == 1)
        #expect(outbox.queuedFrames == 0 && outbox.queuedBytes == 0)
    }

    @Test("A request whose deadline passed in the queue is not sent")
    func lateInQueue() {
        var outbox = Self.outbox()
        Self.ask(&outbox, 1, seconds: 1)
        let batch = outbox.takeBatch(now: Self.start + .seconds(1))
        #expect(batch.frames.isEmpty)
        #expect(batch.expired == [1])
        #expect(outbox.expire(now: Self.start + .seconds(9)).isEmpty)
    }

    @Test("Requests that nobody waits for give their room back although the peer gives no credit")
    func deadGiveRoom() {
        var outbox = Self.outbox(frames: 10, creditItems: 1)
        for completion in 0..<11 {
            Self.ask(&outbox, completion, seconds: completion < 8 ? 1 : 100)
            if completion == 0 { _ = Self.take(&outbox) }
        }
        #expect(Self.ask(&outbox, 20) == .overloaded)
        #expect(outbox.expire(now: Self.start + .seconds(2)).count == 8)
        #expect(outbox.queuedFrames == 3)
        #expect(Self.ask(&outbox, 20) == .queued(startDrain: false))
    }

    @Test("An answer to a request that has not left is made up")
    func madeUp() {
        var outbox = Self.outbox(creditItems: 1)
        Self.ask(&outbox, 1)
        Self.ask(&outbox, 2)
        _ = Self.take(&outbox)
        #expect(outbox.responseReceived(id: 2) == nil)
        #expect(outbox.responseReceived(id: 1) == 1)
        #expect(outbox.responseReceived(id: 1) == nil)
        #expect(outbox.pendingRequests == 1)
    }

    @Test("Closing hands out every request once, in order, and takes nothing more")
    func close() {
        var outbox = Self.outbox(creditItems: 2)
        for completion in 0..<4 { Self.ask(&outbox, completion) }
        Self.tell(&outbox)
        _ = Self.take(&outbox)
        _ = Self.answer(&outbox, 5)
        let leftovers = outbox.close()
        #expect(leftovers.requests.map { $0.completion } == [0, 1, 2, 3])
        #expect(leftovers.requests.map { $0.isSent } == [true, true, false, false])
        #expect(leftovers.notifications == 1 && leftovers.responses == 1)
        #expect(Self.ask(&outbox, 9) == .closed)
        #expect(Self.tell(&outbox) == .closed)
        #expect(Self.answer(&outbox, 9) == .closed)
        #expect(Self.take(&outbox).isEmpty)
        #expect(outbox.close().requests.isEmpty)
    }

    @Test("The deadlines of answered requests do not pile up")
    func deadlineTable() {
        var outbox = Self.outbox(creditItems: 1 << 30, creditBytes: 1 << 40)
        for round in 0..<20_000 {
            Self.ask(&outbox, round)
            _ = Self.take(&outbox)
            #expect(outbox.responseReceived(id: UInt64(round + 1)) == round)
        }
        #expect(outbox.rememberedDeadlines <= 1100)
    }
}
