// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import TestSupport
import Testing
import TrunklineClient

@Suite("When something is tried again")
struct PausesTests {
    @Test("pauses double up to the bound, and are drawn from all of it")
    func backOff() {
        let backOff = BackOff(first: .milliseconds(50), longest: .seconds(5))
        var random = SeededRandom(seed: 1)
        for attempt in 1...200 {
            let full = min(50.0 * Double(UInt64(1) << UInt64(min(attempt - 1, 40))), 5000)
            var thirds = [0, 0, 0]
            for _ in 0..<60 {
                let pause = Double(backOff.pause(attempt: attempt, using: &random).nanoseconds) / 1e6
                #expect(pause >= 0 && pause <= full)
                thirds[min(2, Int(pause / full * 3))] += 1
            }
            #expect(thirds.allSatisfy { $0 > 0 }, "seed 1, attempt \(attempt)")
        }
        #expect(backOff.pause(attempt: 0, using: &random) <= .milliseconds(50))
        #expect(BackOff(first: .zero, longest: .zero).pause(attempt: 3, using: &random) == .zero)
        let huge = BackOff(first: .hours(1_000_000), longest: .seconds(1))
        #expect(huge.pause(attempt: 31, using: &random) <= .seconds(1))
    }

    private func pause(
        _ error: TrunklineError,
        _ scope: RepeatRule.Scope,
        attempt: Int = 1,
        elapsed: TimeAmount = .zero
    ) -> TimeAmount? {
        var random = SeededRandom(seed: 1)
        return RepeatRule().pause(afterAttempt: attempt, error: error, scope: scope, elapsed: elapsed, using: &random)
    }

    @Test("a request is repeated only where that is safe")
    func repeatRule() {
        let overloaded = TrunklineError(.server(.overloaded), "")
        let unknown = TrunklineError(.server(.outcomeUnknown), "")
        let lost = TrunklineError(.connectionLost, "")
        let refused = TrunklineError(.notConnected, "")
        for error in [overloaded, unknown, lost, refused] { #expect(self.pause(error, .always) != nil) }
        for error in [overloaded, refused] { #expect(self.pause(error, .ifWithoutEffect) != nil) }
        for error in [unknown, lost] { #expect(self.pause(error, .ifWithoutEffect) == nil) }
        for code in [ErrorCode.notFound, .invalidField, .unauthenticated, .usernameTaken] {
            #expect(self.pause(TrunklineError(.server(code), ""), .always) == nil)
        }
    }

    @Test("the wait that the cluster asks for is kept, and there is an end")
    func repeatBounds() throws {
        let asked = TrunklineError(.server(.rateLimited), "", retryAfterMilliseconds: 3000)
        #expect(try #require(self.pause(asked, .always)) >= .seconds(3))
        #expect(self.pause(asked, .always, elapsed: .seconds(28)) == nil)
        #expect(self.pause(asked, .always, attempt: 8) == nil)
    }

    @Test("what the end of a WebSocket means for connecting again")
    func closures() {
        let codes: [(UInt16?, SocketClosure.Advice)] = [
            (nil, .reconnect), (1000, .reconnect), (1001, .reconnect), (1006, .reconnect), (1012, .reconnect),
            (1002, .giveUp), (1007, .giveUp), (1009, .giveUp), (4000, .reconnect), (4001, .reconnect),
            (4004, .reconnect), (4499, .reconnect), (4500, .giveUp), (4501, .giveUp), (4503, .giveUp),
            (4504, .refreshToken), (4999, .giveUp),
        ]
        for (code, advice) in codes {
            let closure = SocketClosure(code: code, reason: "")
            #expect(closure.advice == advice, "\(String(describing: code))")
            #expect(closure.error.code == .closed(code))
        }
        #expect(SocketClosure(refused: TrunklineError(.server(.tokenExpired), "")).advice == .refreshToken)
        #expect(SocketClosure(refused: TrunklineError(.server(.unavailable), "")).advice == .reconnect)
        #expect(SocketClosure(refused: TrunklineError(.server(.unauthenticated), "")).advice == .giveUp)
    }
}
