// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Messaging
import Testing

@Suite("The schedule of a load run")
struct SendScheduleTests {
    private func stretch(_ start: Double, _ rate: Double, warmUp: Double = 1, measured: Double = 2)
        -> SendSchedule.Stretch
    {
        SendSchedule.Stretch(
            start: Int64(start * 1e9),
            messagesPerSecond: rate,
            warmUp: Int64(warmUp * 1e9),
            measured: Int64(measured * 1e9)
        )
    }

    @Test("stretches follow one another, with nothing due in between, and messages are numbered through")
    func stretches() throws {
        var schedule = SendSchedule()
        for stretch in [self.stretch(0, 10), self.stretch(5, 100), self.stretch(8, 0)] {
            schedule = try #require(schedule.appending(stretch))
        }
        #expect(schedule.count == 330)
        #expect(schedule.end == 11_000_000_000)
        #expect(schedule.time(of: 29) == 2_900_000_000)
        #expect(schedule.time(of: 30) == 5_000_000_000)
        #expect(schedule.time(of: 31) == 5_010_000_000)
        for message in 0..<330 {
            let time = schedule.time(of: message)
            #expect(schedule.dueCount(at: time) == message + 1)
            #expect(schedule.dueCount(at: time - 1) == message)
            #expect(schedule.stretch(of: message) == (message < 30 ? 0 : 1))
        }
        #expect(schedule.dueCount(at: 4_999_999_999) == 30)
        #expect(schedule.dueCount(at: .max) == 330)
        #expect(!schedule.isMeasured(9) && schedule.isMeasured(10))
        #expect(!schedule.isMeasured(129) && schedule.isMeasured(130))
    }

    @Test("what would begin before the end of the last one, and what would be too much, is refused and changes nothing")
    func refused() throws {
        var schedule = try #require(SendSchedule().appending(self.stretch(0, 10)))
        let before = schedule
        for (start, rate) in [(2.9, 10.0), (3, 1e15), (3, .infinity), (3, -1), (3, 2e9)] {
            let isAdded = schedule.append(self.stretch(start, rate))
            #expect(!isAdded && schedule == before, "\(rate) messages/s at \(start) s")
        }
    }

    @Test("an id leads back to the number of its message in every stretch")
    func identities() throws {
        var plan = MessagePlan(topology: .direct(userCount: 4, edgeCount: 1, loopCount: 1), seed: 1)
        for (start, rate) in [(0.0, 20.0), (10, 999), (20, 3)] {
            plan = try #require(plan.appending(self.stretch(start, rate)))
        }
        let identity = MessageIdentity(startedAt: 1_700_000_000_000, run: 99)
        for message in 0..<plan.count {
            let id = identity.id(of: message, at: plan.time(of: message))
            #expect(identity.message(of: id, in: plan) == message)
        }
    }

    @Test("shares are whole, of about the same size, and together everything")
    func shares() {
        for (count, parts, unit) in [(100, 3, 1), (100, 3, 2), (7, 7, 1), (1_000_000, 64, 2)] {
            let shares = (0..<parts).map { Share(part: $0, of: parts).of(count, in: unit) }
            #expect(shares.reduce(0, +) == count)
            #expect(shares.allSatisfy { $0.isMultiple(of: unit) && abs($0 - count / parts) <= unit })
        }
    }

    @Test("what several processes offer together lies at the distances of the whole, over the same measured time")
    func interleaved() throws {
        let whole = self.stretch(3, 100)
        var times: [Int64] = []
        for part in 0..<4 {
            let stretch = Share(part: part, of: 4).of(whole)
            #expect(stretch.measuredFrom == whole.measuredFrom && stretch.end == whole.end)
            let schedule = try #require(SendSchedule().appending(stretch))
            times += (0..<schedule.count).map { schedule.time(of: $0) }
        }
        times.sort()
        #expect(times.count >= 297 && times.count <= 300)
        for (one, next) in zip(times.prefix(280), times.dropFirst()) { #expect(abs(next - one - 10_000_000) <= 2) }
        let alone = Share(part: 0, of: 1).of(whole)
        #expect(alone == whole)
    }
}
