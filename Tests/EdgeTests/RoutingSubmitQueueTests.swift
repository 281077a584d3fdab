// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Edge

@Suite("The order of one session's messages to one conversation")
struct RoutingSubmitQueueTests {
    private var random = SeededRandom(seed: 1)

    @Test("While all goes well, everything is sent as it comes")
    mutating func flowing() {
        var queue = SubmitQueue()
        for ticket in 0..<5 as Range<UInt64> { #expect(queue.enqueue(ticket) == .send) }
        for ticket in [3, 0, 4, 1, 2] as [UInt64] {
            #expect(queue.answered(ticket, using: &self.random) == .none)
        }
        #expect(queue.isEmpty)
    }

    @Test("After a failure new messages are held, those in flight awaited, and all sent again in order")
    mutating func failure() {
        var queue = SubmitQueue()
        for ticket in 0..<4 as Range<UInt64> { _ = queue.enqueue(ticket) }
        #expect(queue.failed(1, mayHaveArrived: false, using: &self.random) == .none)
        #expect(queue.enqueue(4) == .hold)
        #expect(queue.resume { _ in false } == SubmitQueue.Resumption(), "two are in flight")
        #expect(queue.answered(0, using: &self.random) == .none)
        #expect(queue.failed(3, mayHaveArrived: true, using: &self.random) == .none)
        let action = queue.answered(2, using: &self.random)
        guard case .pause(let milliseconds) = action else {
            Issue.record("\(action)")
            return
        }
        #expect((10...15).contains(milliseconds))
        #expect(queue.enqueue(5) == .hold)
        #expect(queue.mayHaveArrived(3) && !queue.mayHaveArrived(1))
        #expect(queue.resume { _ in false } == SubmitQueue.Resumption(send: [1, 3, 4, 5]))
        #expect(queue.enqueue(6) == .send)
    }

    @Test("Pauses double up to the bound, and start anew after success")
    mutating func pauses() {
        var queue = SubmitQueue()
        _ = queue.enqueue(0)
        for expected in [10, 20, 40, 80, 160, 250, 250] {
            guard case .pause(let milliseconds) = queue.failed(0, mayHaveArrived: false, using: &self.random) else {
                Issue.record("no pause")
                return
            }
            #expect((expected...expected + expected / 2).contains(milliseconds))
            #expect(queue.resume { _ in false }.send == [0])
        }
        _ = queue.answered(0, using: &self.random)
        _ = queue.enqueue(1)
        guard case .pause(let milliseconds) = queue.failed(1, mayHaveArrived: false, using: &self.random) else {
            Issue.record("no pause")
            return
        }
        #expect(milliseconds <= 15)
    }

    @Test("Each message names the one before it that has no answer, so that it cannot overtake")
    mutating func predecessors() {
        var queue = SubmitQueue()
        for ticket in 0..<4 as Range<UInt64> { _ = queue.enqueue(ticket) }
        #expect(queue.predecessor(of: 0) == nil)
        #expect(queue.predecessor(of: 3) == 2)
        _ = queue.answered(1, using: &self.random)
        #expect(queue.predecessor(of: 2) == 0)
        _ = queue.answered(0, using: &self.random)
        #expect(queue.predecessor(of: 2) == nil)
        #expect(queue.predecessor(of: 9) == nil)
    }

    @Test("Messages out of time leave the queue when the pause is over, with what is known of them")
    mutating func expiry() {
        var queue = SubmitQueue()
        for ticket in 0..<3 as Range<UInt64> { _ = queue.enqueue(ticket) }
        _ = queue.failed(0, mayHaveArrived: true, using: &self.random)
        _ = queue.failed(1, mayHaveArrived: false, using: &self.random)
        _ = queue.failed(2, mayHaveArrived: false, using: &self.random)
        let resumption = queue.resume { $0 < 2 }
        #expect(resumption.send == [2])
        #expect(
            resumption.expired == [.init(ticket: 0, mayHaveArrived: true), .init(ticket: 1, mayHaveArrived: false)]
        )
        #expect(queue.count == 1)
    }

    @Test("An outcome that comes twice, or for an unknown message, changes nothing")
    mutating func strangers() {
        var queue = SubmitQueue()
        _ = queue.enqueue(0)
        #expect(queue.failed(9, mayHaveArrived: true, using: &self.random) == .none)
        #expect(queue.answered(9, using: &self.random) == .none)
        #expect(queue.enqueue(1) == .send)
    }

    /// A router behind a link that breaks: what is sent arrives in order up to where the link breaks; what arrived is
    /// stored once; answers come in any order, or are lost with the link.
    @Test(
        "Across breaking links every message is stored once, in the client's order",
        arguments: 0..<200 as Range<UInt64>
    )
    func simulation(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var queue = SubmitQueue()
        var stored: [UInt64] = []
        var inFlight: [(ticket: UInt64, arrived: Bool)] = []
        var linkBroken = false
        var isPausing = false
        var next: UInt64 = 0
        var answered: Set<UInt64> = []
        let total: UInt64 = 40

        func send(_ ticket: UInt64) {
            if !linkBroken { linkBroken = UInt8.random(in: 0..<8, using: &random) == 0 }
            if !linkBroken, !stored.contains(ticket) { stored.append(ticket) }
            inFlight.append((ticket, !linkBroken))
        }

        for _ in 0..<10_000 where answered.count < total {
            switch UInt8.random(in: 0..<3, using: &random) {
            case 0 where next < total:
                if queue.enqueue(next) == .send { send(next) }
                next += 1
            case 1 where !inFlight.isEmpty:
                let attempt = inFlight.remove(at: Int.random(in: inFlight.indices, using: &random))
                let isAnswered = attempt.arrived && (!linkBroken || Bool.random(using: &random))
                let action: SubmitQueue.OutcomeAction
                if isAnswered {
                    answered.insert(attempt.ticket)
                    action = queue.answered(attempt.ticket, using: &random)
                } else {
                    action = queue.failed(attempt.ticket, mayHaveArrived: attempt.arrived, using: &random)
                }
                if action != .none { isPausing = true }
            case 2 where isPausing:
                isPausing = false
                // All that was in flight has an outcome, so the broken link is gone.
                #expect(inFlight.isEmpty, "seed \(seed)")
                linkBroken = false
                for ticket in queue.resume(isExpired: { _ in false }).send { send(ticket) }
            default:
                break
            }
        }
        #expect(answered.count == total, "seed \(seed): it came to a halt")
        #expect(stored == Array(0..<total), "seed \(seed)")
        #expect(queue.isEmpty, "seed \(seed)")
    }
}
