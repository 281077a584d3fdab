// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TestSupport
import Testing
import TrunklineClient

@Suite("Receipts of a client: merged, sent until answered, and only growing")
struct ReceiptTrackerTests {
    private let conversation = Fixtures.conversation
    private let user = Fixtures.user
    private var tracker = ReceiptTracker()
    private var nextCommand: UInt64 = 1

    private mutating func send() -> (command: UInt64, watermarks: Watermarks)? {
        guard let next = self.tracker.nextToSend() else { return nil }
        defer { self.nextCommand += 1 }
        self.tracker.sent(next.watermarks, in: next.conversation, as: self.nextCommand)
        return (self.nextCommand, next.watermarks)
    }

    private mutating func expectNothingToSend() {
        let sent = self.send()
        #expect(sent == nil)
    }

    private mutating func expectRefused(_ command: UInt64, isRetryable: Bool, _ expected: ReceiptTracker.RefusalAction)
    {
        let action = self.tracker.refused(command, isRetryable: isRetryable)
        #expect(action == expected)
    }

    private struct NothingToSend: Error {}

    private mutating func sendNext() throws -> (command: UInt64, watermarks: Watermarks) {
        guard let sent = self.send() else { throw NothingToSend() }
        return sent
    }

    private mutating func answer(_ command: UInt64, _ delivered: UInt64, _ read: UInt64) -> Watermarks? {
        let watermarks = Watermarks(delivered: delivered, read: read)
        let answer = ReceiptStored(conversationID: self.conversation, watermarks: watermarks)
        return self.tracker.stored(command, answer, user: self.user)
    }

    @Test("One receipt at a time; what comes meanwhile is merged into the next; read says delivered")
    mutating func merged() throws {
        self.tracker.handedOver(1, in: self.conversation, isOwn: false)
        let first = try self.sendNext()
        #expect(first.watermarks == Watermarks(delivered: 1, read: 0))
        for seq in 2...9 as ClosedRange<UInt64> { self.tracker.handedOver(seq, in: self.conversation, isOwn: false) }
        self.tracker.read(4, in: self.conversation)
        self.expectNothingToSend()
        let afterTheFirst = self.answer(first.command, 1, 0)
        #expect(afterTheFirst == Watermarks(delivered: 1, read: 0))
        let second = try self.sendNext()
        #expect(second.watermarks == Watermarks(delivered: 4, read: 4))
        let afterTheSecond = self.answer(second.command, 4, 4)
        #expect(afterTheSecond == Watermarks(delivered: 4, read: 4))
        let third = try self.sendNext()
        #expect(third.watermarks == Watermarks(delivered: 9, read: 0))
        let afterTheThird = self.answer(third.command, 9, 4)
        #expect(afterTheThird == Watermarks(delivered: 9, read: 4))
        self.expectNothingToSend()
    }

    @Test("The own messages ask for no receipt, and go along with the next")
    mutating func own() throws {
        self.tracker.handedOver(1, in: self.conversation, isOwn: true)
        self.expectNothingToSend()
        self.tracker.handedOver(2, in: self.conversation, isOwn: false)
        self.tracker.handedOver(3, in: self.conversation, isOwn: true)
        let sent = try self.sendNext()
        #expect(sent.watermarks.delivered == 3)
    }

    @Test("What another device of the user said is not said again")
    mutating func otherDevice() {
        self.tracker.handedOver(5, in: self.conversation, isOwn: false)
        let news = Watermarks(delivered: 7, read: 7)
        let grown = self.tracker.received(news, of: self.user, in: self.conversation, isOwn: true)
        #expect(grown == news)
        self.expectNothingToSend()
    }

    @Test("Without an answer it is sent again on the next connection; refused, after a pause or never")
    mutating func repeated() throws {
        self.tracker.read(3, in: self.conversation)
        _ = try self.sendNext()
        self.tracker.disconnected()
        let second = try self.sendNext()
        #expect(second.watermarks.read == 3)
        self.expectRefused(second.command, isRetryable: true, .pause(self.conversation))
        self.expectNothingToSend()
        self.tracker.pauseEnded(self.conversation)
        let third = try self.sendNext()
        self.expectRefused(third.command, isRetryable: false, .giveUp(self.conversation))
        self.expectNothingToSend()
        self.expectRefused(99, isRetryable: true, .none)
        self.tracker.read(4, in: self.conversation)
        let last = try self.sendNext()
        #expect(last.watermarks.read == 4)
    }

    @Test("Not more than a few at a time, over all conversations")
    mutating func bound() {
        let conversations = (0..<40).map { _ in ConversationID.generate() }
        for id in conversations { self.tracker.read(1, in: id) }
        var sent = 0
        while self.send() != nil { sent += 1 }
        #expect(sent == ReceiptTracker.underWayMax)
    }

    @Test("Events in any order, any number of times: what is handed out only grows, and ends with the largest")
    mutating func growing() {
        let seed: UInt64 = 0x6120
        var random = SeededRandom(seed: seed)
        let members = (0..<3).map { _ in UserID.generate() }
        var largest: [UserID: Watermarks] = [:]
        var shown: [UserID: Watermarks] = [:]
        for round in 0..<2000 {
            let member = members[Int.random(in: 0..<3, using: &random)]
            let seq = UInt64.random(in: 1...300, using: &random)
            let watermarks = Watermarks(delivered: seq, read: Bool.random(using: &random) ? seq : 0)
            largest[member, default: .zero].formUnion(watermarks)
            let grown = self.tracker.received(watermarks, of: member, in: self.conversation, isOwn: false)
            if let grown {
                #expect(grown != shown[member] && grown.covers(shown[member] ?? .zero), "seed \(seed), round \(round)")
                shown[member] = grown
            }
        }
        #expect(shown == largest)
        for member in members {
            #expect(self.tracker.watermarks(of: member, in: self.conversation) == largest[member])
        }
    }
}
