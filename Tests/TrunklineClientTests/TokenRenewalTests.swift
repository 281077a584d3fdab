// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import TrunklineClient

@Suite("When a fresh token is shown")
struct TokenRenewalTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("Ten seconds before the end, or after half of a short life, and once at a time")
    func time() {
        for (life, due) in [(Int64(900), Int64(890)), (20, 10), (8, 4)] {
            var renewal = TokenRenewal()
            renewal.shown(endsAt: Self.start + .seconds(life), now: Self.start)
            let early = renewal.begin(now: Self.start + .seconds(due) - .milliseconds(1))
            let inTime = renewal.begin(now: Self.start + .seconds(due))
            let again = renewal.begin(now: Self.start + .seconds(life))
            #expect([early, inTime, again] == [false, true, false])
        }
    }

    @Test("After a failure it is tried again after the pause, after a success before the new end")
    func outcome() {
        var renewal = TokenRenewal()
        renewal.shown(endsAt: Self.start + .seconds(100), now: Self.start)
        renewal.ended(now: Self.start)
        var began = [renewal.begin(now: Self.start)]
        renewal.failed(pause: .seconds(2), now: Self.start)
        began.append(renewal.begin(now: Self.start + .seconds(1)))
        began.append(renewal.begin(now: Self.start + .seconds(2)))
        renewal.shown(endsAt: Self.start + .seconds(200), now: Self.start + .seconds(2))
        began.append(renewal.begin(now: Self.start + .seconds(189)))
        began.append(renewal.begin(now: Self.start + .seconds(190)))
        #expect(began == [true, false, true, false, true])
        let isBegun = {
            var new = TokenRenewal(); return new.begin(now: Self.start)
        }()
        #expect(!isBegun, "no token was shown")
    }
}
