// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Edge

@Suite("What an HTTP connection may do")
struct HTTPConnectionStateTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func state() -> HTTPConnectionState {
        HTTPConnectionState(
            limits: .init(
                bodyBytesMax: 100,
                readTimeout: .seconds(10),
                responseTimeout: .seconds(45),
                idleTimeout: .seconds(60),
                lingerTimeout: .seconds(1)
            ),
            now: start
        )
    }

    private static func later(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    @Test("Each step has its own time")
    func deadlines() {
        var state = Self.state()
        #expect(state.deadline == Self.later(60))
        #expect(state.headReceived(declaredBodyBytes: nil, now: Self.later(5)) == .forward)
        #expect(state.deadline == Self.later(15))
        #expect(state.bodyReceived(count: 10) == .forward)
        #expect(state.deadline == Self.later(15), "a drop now and then buys no time")
        #expect(state.endReceived(now: Self.later(7)) == .forward)
        #expect(state.deadline == Self.later(52))
        #expect(state.answerEnded(now: Self.later(9)) == .none)
        #expect(state.deadline == Self.later(69))
        #expect(state.timerFired(now: Self.later(68)) == .wait(until: Self.later(69)))
        #expect(state.timerFired(now: Self.later(69)) == .close)
    }

    @Test("A body over its bound is cut off, and the connection ends with its answer")
    func overrun() {
        var state = Self.state()
        _ = state.headReceived(declaredBodyBytes: nil, now: Self.start)
        #expect(state.bodyReceived(count: 100) == .forward)
        #expect(state.bodyReceived(count: 1) == .forward, "so that the reader notices")
        #expect(state.bodyReceived(count: 1) == .drop)
        #expect(state.answerEnded(now: Self.later(1)) == .linger)
        #expect(state.isLingering)
        #expect(state.deadline == Self.later(2))
        #expect(state.bodyReceived(count: 1) == .drop)
        #expect(state.endReceived(now: Self.later(1)) == .drop)
        #expect(state.headReceived(declaredBodyBytes: nil, now: Self.later(1)) == .drop)
    }

    @Test("A body that is declared too large ends the connection, even if it never comes")
    func declaredOverrun() {
        var state = Self.state()
        #expect(state.headReceived(declaredBodyBytes: 101, now: Self.start) == .forward)
        #expect(state.answerEnded(now: Self.later(1)) == .linger)
    }

    @Test("After a request that is the last one nothing is read, and the connection ends with its answer")
    func lastRequest() {
        var state = Self.state()
        #expect(state.headReceived(declaredBodyBytes: 5, isLast: true, now: Self.start) == .forward)
        #expect(state.bodyReceived(count: 5) == .forward)
        #expect(state.endReceived(now: Self.start) == .forward)
        #expect(state.headReceived(declaredBodyBytes: nil, now: Self.start) == .drop)
        #expect(state.endReceived(now: Self.start) == .drop)
        #expect(state.answerEnded(now: Self.later(1)) == .linger)
    }

    @Test("An answer that comes before the end of its request leaves time to read the rest")
    func earlyAnswer() {
        var state = Self.state()
        _ = state.headReceived(declaredBodyBytes: 50, now: Self.start)
        #expect(state.answerEnded(now: Self.later(1)) == .none)
        #expect(state.deadline == Self.later(11))
        #expect(state.bodyReceived(count: 50) == .forward)
        #expect(state.endReceived(now: Self.later(2)) == .forward)
    }

    @Test("Stopping closes an idle connection and lets a busy one finish")
    func stopping() {
        var idle = Self.state()
        #expect(idle.stopRequested() == .close)
        var busy = Self.state()
        _ = busy.headReceived(declaredBodyBytes: nil, now: Self.start)
        _ = busy.endReceived(now: Self.start)
        #expect(busy.stopRequested() == .none)
        #expect(busy.answerEnded(now: Self.later(1)) == .linger)
    }

    @Test("Pipelined requests are each answered before the connection ends")
    func pipelined() {
        var state = Self.state()
        for _ in 0..<3 {
            #expect(state.headReceived(declaredBodyBytes: nil, now: Self.start) == .forward)
            #expect(state.endReceived(now: Self.start) == .forward)
        }
        #expect(state.stopRequested() == .none)
        #expect(state.answerEnded(now: Self.later(1)) == .none)
        #expect(state.answerEnded(now: Self.later(2)) == .none)
        #expect(state.answerEnded(now: Self.later(3)) == .linger)
    }

    @Test("Garbage is answered when nobody else will answer, and once")
    func garbage() {
        var idle = Self.state()
        #expect(idle.parserFailed(now: Self.start) == .answer)
        #expect(idle.isLingering)
        #expect(idle.parserFailed(now: Self.start) == .none)
        var busy = Self.state()
        _ = busy.headReceived(declaredBodyBytes: nil, now: Self.start)
        #expect(busy.parserFailed(now: Self.start) == .forward)
        #expect(busy.answerEnded(now: Self.later(1)) == .linger)
    }
}
