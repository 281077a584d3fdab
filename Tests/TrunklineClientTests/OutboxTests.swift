// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import TestSupport
import Testing
import TrunklineClient

@Suite("Own messages without an answer")
struct OutboxTests {
    private static let conversation = ConversationID.generate()
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private func request(_ body: String) -> SendMessageRequest {
        SendMessageRequest(conversationID: Self.conversation, clientMessageID: .generate(), kind: .text, body: body)
    }

    private func outbox(_ bodies: [String], max: Int = 100) -> Outbox {
        var outbox = Outbox(messagesMax: max, timeLimit: .seconds(30))
        for body in bodies { _ = outbox.add(self.request(body), now: Self.start) }
        return outbox
    }

    /// Sends everything that may be sent; returns the bodies in order.
    private func sendAll(_ outbox: inout Outbox, from command: UInt64, now: NIODeadline = Self.start) -> [String] {
        var bodies: [String] = []
        while let next = outbox.nextToSend() {
            outbox.sent(next.ticket, as: command + UInt64(bodies.count), now: now)
            bodies.append(next.request.body)
        }
        return bodies
    }

    @Test("messages are sent in order, and answers may come in any")
    func order() {
        var outbox = self.outbox(["a", "b", "c"])
        #expect(self.sendAll(&outbox, from: 1) == ["a", "b", "c"])
        #expect(outbox.acknowledged(3)?.request.body == "c")
        #expect(outbox.acknowledged(1)?.request.body == "a")
        #expect(outbox.acknowledged(1) == nil)
        #expect(outbox.count == 1)
        #expect(outbox.sentCount == 1)
        #expect(outbox.acknowledged(2)?.attempts == 1)
        #expect(outbox.isEmpty)
    }

    @Test(
        "a message of which an earlier attempt has no answer is not given up with an error that says nothing was done"
    )
    func mayBeStored() throws {
        var outbox = self.outbox(["a", "b"])
        _ = self.sendAll(&outbox, from: 1)
        outbox.disconnected()
        _ = self.sendAll(&outbox, from: 3)
        let late = Self.start + .seconds(31)
        let away = TrunklineError(.server(.unavailable), "away")
        guard case .giveUp(_, let error) = outbox.refused(3, away, pause: .milliseconds(1), now: late) else {
            throw away
        }
        #expect(error.code == .server(.outcomeUnknown) && !error.hadNoEffect)
        let expired = try #require(outbox.expire(now: late).first)
        #expect(expired.final(away).code == .server(.outcomeUnknown))
        #expect(expired.final(TrunklineError(.server(.notFound), "")).code == .server(.notFound))

        var fresh = self.outbox(["c"])
        _ = self.sendAll(&fresh, from: 1)
        guard case .giveUp(_, let plain) = fresh.refused(1, away, pause: .milliseconds(1), now: late) else {
            throw away
        }
        #expect(plain.code == .server(.unavailable))
    }

    @Test("after one is refused by a limit nothing is sent until the time that was told, and then all in order")
    func held() {
        var outbox = self.outbox(["a", "b", "c", "d"])
        _ = self.sendAll(&outbox, from: 1)
        _ = outbox.add(self.request("e"), now: Self.start)
        let limited = TrunklineError(.server(.rateLimited), "", retryAfterMilliseconds: 500)
        let rest = TrunklineError(.server(.rateLimited), "", retryAfterMilliseconds: 400)
        _ = outbox.acknowledged(1)
        var times: [NIODeadline] = []
        for (command, error, at) in [(UInt64(3), rest, Self.start), (2, limited, Self.start + .milliseconds(10))] {
            guard case .retry(let time) = outbox.refused(command, error, pause: .milliseconds(5), now: at) else {
                Issue.record("given up")
                return
            }
            times.append(time)
        }
        #expect(times == [Self.start + .milliseconds(400), Self.start + .milliseconds(510)])
        outbox.pauseEnded(now: times[0])
        #expect(outbox.nextToSend() == nil, "the others would overtake")
        outbox.pauseEnded(now: times[1])
        #expect(self.sendAll(&outbox, from: 10, now: times[1]) == ["b", "c", "e"])
        #expect(outbox.acknowledged(4)?.request.body == "d")
    }

    @Test("after a lost connection everything without an answer is sent again in the order in which it was given")
    func disconnected() {
        var outbox = self.outbox(["a", "b", "c", "d"])
        _ = self.sendAll(&outbox, from: 1)
        _ = outbox.acknowledged(2)
        _ = outbox.add(self.request("e"), now: Self.start)
        outbox.disconnected()
        let first = outbox.nextToSend()
        #expect(first?.isRepeated == true)
        #expect(self.sendAll(&outbox, from: 10) == ["a", "c", "d", "e"])
        #expect(outbox.acknowledged(1) == nil)
        #expect(outbox.acknowledged(10)?.attempts == 2)
        #expect(outbox.acknowledged(13)?.attempts == 1)
    }

    @Test("a message that is to be tried again waits as long as the cluster says, and at least the own pause")
    func retry() {
        var outbox = self.outbox(["a", "b"])
        _ = self.sendAll(&outbox, from: 1)
        let error = TrunklineError(.server(.overloaded), "Wait.", retryAfterMilliseconds: 700)
        guard case .retry(let time) = outbox.refused(1, error, pause: .milliseconds(50), now: Self.start) else {
            Issue.record("it has to be tried again")
            return
        }
        #expect(time == Self.start + .milliseconds(700))
        #expect(self.sendAll(&outbox, from: 100).isEmpty)
        outbox.pauseEnded(now: Self.start + .milliseconds(699))
        #expect(self.sendAll(&outbox, from: 100).isEmpty)
        outbox.pauseEnded(now: time)
        #expect(self.sendAll(&outbox, from: 5) == ["a"])
        guard
            case .retry(let next) = outbox.refused(
                5,
                TrunklineError(.server(.unavailable), "Wait."),
                pause: .milliseconds(50),
                now: time
            )
        else {
            Issue.record("it has to be tried again")
            return
        }
        #expect(next == time + .milliseconds(50))
    }

    @Test("what cannot succeed, or not in time, is given up")
    func giveUp() {
        var outbox = self.outbox(["a", "b"])
        _ = self.sendAll(&outbox, from: 1)
        let fatal = TrunklineError(.server(.notFound), "No.")
        guard case .giveUp(let entry, _) = outbox.refused(1, fatal, pause: .zero, now: Self.start) else {
            Issue.record("it has to be given up")
            return
        }
        #expect(entry.request.body == "a")
        let late = Self.start + .seconds(29)
        let error = TrunklineError(.server(.overloaded), "Wait.", retryAfterMilliseconds: 2000)
        guard case .giveUp = outbox.refused(2, error, pause: .zero, now: late) else {
            Issue.record("it would be too late")
            return
        }
        #expect(outbox.isEmpty)
        guard case .none = outbox.refused(2, error, pause: .zero, now: late) else {
            Issue.record("it is gone")
            return
        }
    }

    @Test("old messages are taken out, sent or not, and their answers find nothing")
    func expire() {
        var outbox = self.outbox(["a", "b"])
        if let next = outbox.nextToSend() { outbox.sent(next.ticket, as: 1, now: Self.start) }
        _ = outbox.add(self.request("c"), now: Self.start + .seconds(1))
        #expect(outbox.oldestSent == Self.start)
        #expect(outbox.expire(now: Self.start + .seconds(29)).isEmpty)
        #expect(outbox.expire(now: Self.start + .seconds(30)).map(\.request.body) == ["a", "b"])
        #expect(outbox.oldestSent == nil)
        #expect(outbox.acknowledged(1) == nil)
        #expect(self.sendAll(&outbox, from: 2) == ["c"])
    }

    @Test("no more than the bound is taken")
    func bound() {
        var outbox = self.outbox(["a", "b"], max: 2)
        let request = self.request("c")
        var taken = outbox.add(request, now: Self.start)
        #expect(!taken)
        _ = self.sendAll(&outbox, from: 1)
        taken = outbox.add(request, now: Self.start)
        #expect(!taken)
        _ = outbox.acknowledged(1)
        taken = outbox.add(request, now: Self.start)
        #expect(taken)
        #expect(outbox.removeAll().map(\.request.body) == ["b", "c"])
        #expect(outbox.isEmpty)
    }

    @Test("whatever happens, every message has exactly one end", arguments: 1...100)
    func interleavings(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var outbox = Outbox(messagesMax: 40, timeLimit: .seconds(30))
        var now = Self.start
        var (taken, ended) = ([String](), [String]())
        var commands: [UInt64] = []
        var nextCommand: UInt64 = 1
        for step in 0..<2000 {
            now = now + .milliseconds(Int64.random(in: 0...200, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0...3:
                if outbox.add(self.request("\(step)"), now: now) { taken.append("\(step)") }
            case 4...5:
                if let next = outbox.nextToSend() {
                    outbox.sent(next.ticket, as: nextCommand, now: now)
                    commands.append(nextCommand)
                    nextCommand += 1
                }
            case 6...7:
                if let command = commands.randomElement(using: &random), let entry = outbox.acknowledged(command) {
                    ended.append(entry.request.body)
                }
            case 8:
                guard let command = commands.randomElement(using: &random) else { continue }
                let error = TrunklineError(.server(step.isMultiple(of: 3) ? .notFound : .overloaded), "Planted.")
                if case .giveUp(let entry, _) = outbox.refused(command, error, pause: .seconds(1), now: now) {
                    ended.append(entry.request.body)
                }
            default:
                if step.isMultiple(of: 5) {
                    commands = []
                    outbox.disconnected()
                }
                outbox.pauseEnded(now: now)
                ended += outbox.expire(now: now).map(\.request.body)
            }
            #expect(outbox.count <= 40)
        }
        ended += outbox.removeAll().map(\.request.body)
        #expect(ended.sorted() == taken.sorted(), "seed \(seed)")
    }
}
