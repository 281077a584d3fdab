// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Mesh

@Suite("Heartbeats, back-off and the log gate")
struct TimingTests {
    private static func at(_ milliseconds: Int64) -> NIODeadline {
        .uptimeNanoseconds(1_000_000_000) + .milliseconds(milliseconds)
    }

    private static func monitor() -> HeartbeatMonitor {
        HeartbeatMonitor(interval: .milliseconds(250), silenceLimit: .milliseconds(1500), now: Self.at(0))
    }

    @Test("A peer that is silent for longer than the limit is noticed at the next tick")
    func silence() {
        var monitor = Self.monitor()
        monitor.received(now: Self.at(100))
        for time in stride(from: Int64(250), through: 1500, by: 250) {
            #expect(monitor.tick(now: Self.at(time)) == .send(Self.at(time).uptimeNanoseconds))
        }
        #expect(monitor.tick(now: Self.at(1750)) == .silent(.milliseconds(1650)))
    }

    @Test("A peer that is heard is not silent")
    func heard() {
        var monitor = Self.monitor()
        for time in stride(from: Int64(250), through: 10_000, by: 250) {
            #expect(monitor.tick(now: Self.at(time)) == .send(Self.at(time).uptimeNanoseconds))
            monitor.received(now: Self.at(time + 10))
        }
    }

    @Test("That this process stood still is not held against the peer")
    func standstill() {
        var monitor = Self.monitor()
        #expect(monitor.tick(now: Self.at(250)) != .silent(.zero))
        monitor.received(now: Self.at(260))
        #expect(monitor.tick(now: Self.at(5000)) == .send(Self.at(5000).uptimeNanoseconds))
        // But the peer's silence goes on counting from there.
        for time in stride(from: Int64(5250), through: 6250, by: 250) {
            #expect(monitor.tick(now: Self.at(time)) == .send(Self.at(time).uptimeNanoseconds))
        }
        #expect(monitor.tick(now: Self.at(6500)) == .silent(.milliseconds(1740)))
    }

    @Test("The round trip is that of a heartbeat which was really sent")
    func roundTrip() {
        let monitor = Self.monitor()
        #expect(monitor.roundTrip(of: Self.at(100).uptimeNanoseconds, now: Self.at(103)) == .milliseconds(3))
        #expect(monitor.roundTrip(of: UInt64.max, now: Self.at(103)) == nil)
    }

    @Test("The wait doubles up to its bound, is shortened by up to a half, and starts anew")
    func backoff() {
        var backoff = Backoff(delayMin: .milliseconds(50), delayMax: .seconds(2))
        let waits = (0..<8).map { _ in backoff.next(random: 0).nanoseconds / 1_000_000 }
        #expect(waits == [50, 100, 200, 400, 800, 1600, 2000, 2000])
        #expect(backoff.next(random: 1) == .seconds(1))
        backoff.reset()
        #expect(backoff.next(random: 0.5) == .microseconds(37_500))
    }

    @Test("One line per subject and interval; the next says how many were held back")
    func logGate() {
        var gate = LogGate()
        #expect(gate.pass("a", now: Self.at(0)) == 0)
        #expect(gate.pass("a", now: Self.at(1)) == nil)
        #expect(gate.pass("b", now: Self.at(2)) == 0)
        #expect(gate.pass("a", now: Self.at(9999)) == nil)
        #expect(gate.pass("a", now: Self.at(10_000)) == 2)
        for number in 0..<1000 { #expect(gate.pass("\(number)", now: Self.at(10_001)) == 0) }
    }
}
