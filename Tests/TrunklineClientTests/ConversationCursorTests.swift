// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import TestSupport
import Testing
import TrunklineClient

@Suite("How far a device has come in a conversation")
struct ConversationCursorTests {
    private static let conversation = ConversationID.generate()
    private static let sender = UserID.generate()
    private static let clientMessageID = ClientMessageID.generate()

    private func message(_ seq: UInt64) -> DeliveredMessage {
        DeliveredMessage(
            messageID: MessageID(conversation: Self.conversation, seq: seq),
            conversationID: Self.conversation,
            seq: seq,
            senderID: Self.sender,
            clientMessageID: Self.clientMessageID,
            kind: .text,
            body: "\(seq)",
            createdAt: Timestamp(1)
        )
    }

    private func ready(_ cursor: inout ConversationCursor) -> [UInt64] {
        var ready: [UInt64] = []
        while let next = cursor.popReady() { ready.append(next.message.seq) }
        return ready
    }

    @Test("messages in order are handed over at once")
    func inOrder() {
        var cursor = ConversationCursor(after: 4)
        #expect(cursor.receivedLive(self.message(5)) == .deliver)
        #expect(cursor.receivedLive(self.message(6)) == .deliver)
        #expect(cursor.receivedLive(self.message(6)) == .known)
        #expect(cursor.receivedLive(self.message(3)) == .known)
        #expect(cursor.next == 7)
        #expect(cursor.statistics.liveDuplicates == 2)
        #expect(cursor.statistics.liveOutOfOrder == 0)
    }

    @Test("a message behind a gap waits until the missing one comes, live or as an answer")
    func gapCloses() {
        var cursor = ConversationCursor(after: 0)
        #expect(cursor.receivedLive(self.message(2)) == .wait(opensGap: true))
        #expect(cursor.receivedLive(self.message(4)) == .wait(opensGap: false))
        #expect(cursor.hasGap)
        #expect(cursor.acknowledged(self.message(1)) == .deliver)
        #expect(self.ready(&cursor) == [2])
        #expect(cursor.receivedLive(self.message(3)) == .deliver)
        #expect(self.ready(&cursor) == [4])
        #expect(!cursor.hasGap)
        #expect(cursor.statistics.gaps == 1)
        #expect(cursor.statistics.liveOutOfOrder == 1)
    }

    @Test("a page closes a gap; live messages that come meanwhile wait for it")
    func page() {
        var cursor = ConversationCursor(after: 0)
        _ = cursor.receivedLive(self.message(3))
        #expect(cursor.catchUp() == .fetch(after: 0))
        #expect(cursor.receivedLive(self.message(4)) == .wait(opensGap: false))
        let outcome = cursor.pageReceived([1, 2, 3].map(self.message), hasMore: false)
        #expect(outcome.deliver.map(\.message.seq) == [1, 2, 3, 4])
        #expect(outcome.deliver.map(\.arrival) == [.caughtUp, .caughtUp, .caughtUp, .live])
        #expect(outcome.action == .none)
        #expect(outcome.skipped.isEmpty)
    }

    @Test("pages are asked for until there is no more, and once more when something may have been missed meanwhile")
    func severalPages() {
        var cursor = ConversationCursor(after: 0)
        #expect(cursor.catchUp() == .fetch(after: 0))
        #expect(cursor.catchUp() == .none)
        #expect(cursor.pageReceived([1, 2].map(self.message), hasMore: true).action == .fetch(after: 2))
        #expect(cursor.pageReceived([3].map(self.message), hasMore: false).action == .none)
        #expect(cursor.catchUp() == .fetch(after: 3))
        #expect(cursor.catchUp() == .none)
        #expect(cursor.pageReceived([], hasMore: false).action == .fetch(after: 3))
        #expect(cursor.pageReceived([], hasMore: false).action == .none)
    }

    @Test("a page that failed is asked for again")
    func failedPage() {
        var cursor = ConversationCursor(after: 7)
        #expect(cursor.catchUp() == .fetch(after: 7))
        #expect(cursor.pageFailed() == .pause)
        #expect(cursor.receivedLive(self.message(8)) == .deliver)
        #expect(cursor.pauseEnded() == .fetch(after: 8))
    }

    @Test("after a page that was refused for good the next message that waits asks for what is missing once more")
    func abandoned() {
        var cursor = ConversationCursor(after: 0)
        #expect(cursor.receivedLive(self.message(2)) == .wait(opensGap: true))
        _ = cursor.catchUp()
        cursor.fetchAbandoned()
        #expect(cursor.receivedLive(self.message(5)) == .wait(opensGap: true))
        #expect(cursor.receivedLive(self.message(6)) == .wait(opensGap: false))
        #expect(cursor.catchUp() == .fetch(after: 0))
    }

    @Test("what a page leaves out does not exist")
    func skipped() {
        var cursor = ConversationCursor(after: 0)
        _ = cursor.receivedLive(self.message(3))
        _ = cursor.catchUp()
        let outcome = cursor.pageReceived([5, 6].map(self.message), hasMore: false)
        #expect(outcome.deliver.map(\.message.seq) == [3, 5, 6])
        #expect(outcome.skipped == [1...2, 4...4])
        #expect(cursor.statistics.skipped == 3)
    }

    @Test("a gap that no page closes is passed over in the end")
    func hopeless() {
        var cursor = ConversationCursor(after: 0)
        _ = cursor.receivedLive(self.message(2))
        #expect(cursor.catchUp() == .fetch(after: 0))
        for _ in 1..<ConversationCursor.fruitlessPagesMax {
            #expect(cursor.pageReceived([], hasMore: false).action == .pause)
            #expect(cursor.pauseEnded() == .fetch(after: 0))
        }
        let outcome = cursor.pageReceived([], hasMore: false)
        #expect(outcome.skipped == [1...1])
        #expect(outcome.deliver.map(\.message.seq) == [2])
        #expect(outcome.action == .none)
    }

    @Test("an edge that always says there is more, and sends nothing, is not asked for ever")
    func endlessPages() {
        var cursor = ConversationCursor(after: 0)
        var action = cursor.catchUp()
        var pages = 0
        while case .fetch = action, pages < 100 {
            pages += 1
            action = cursor.pageReceived([], hasMore: true).action
        }
        #expect(pages == ConversationCursor.fruitlessPagesMax)
    }

    @Test("no more than the bound waits behind a gap; the rest is fetched")
    func overflow() {
        var cursor = ConversationCursor(after: 0)
        let max = UInt64(ConversationCursor.waitingMessagesMax)
        for seq in 2...(max + 1) { _ = cursor.receivedLive(self.message(seq)) }
        #expect(cursor.waitingCount == Int(max))
        #expect(cursor.receivedLive(self.message(max + 2)) == .overflow)
        #expect(cursor.waitingCount == Int(max))
        #expect(cursor.catchUp() == .fetch(after: 0))
        #expect(cursor.receivedLive(self.message(max + 3)) == .overflow)
        let outcome = cursor.pageReceived([self.message(1)], hasMore: true)
        #expect(outcome.deliver.count == Int(max) + 1)
        #expect(outcome.action == .fetch(after: max + 1))
        #expect(cursor.pageReceived([max + 2, max + 3].map(self.message), hasMore: false).action == .none)
        #expect(cursor.next == max + 4)
    }

    @Test("whatever is lost, repeated or late, each message is handed over once and in order", arguments: 1...300)
    func interleavings(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var world = World(random: SeededRandom(seed: seed ^ 0xABCD))
        for _ in 0..<Int.random(in: 50...400, using: &random) { world.step() }
        world.settle()
        #expect(world.handedOver == Array(0..<world.head).map { $0 + 1 }, "seed \(seed)")
        #expect(world.cursor.statistics.skipped == 0, "seed \(seed)")
    }

    /// A conversation that grows, a connection that loses, repeats and reorders, and pages that come late.
    private struct World {
        var random: SeededRandom
        var cursor = ConversationCursor(after: 0)
        var head: UInt64 = 0
        var onTheWay: [(seq: UInt64, isOwn: Bool)] = []
        /// What the page under way was asked for, and what it will hold: what there was when it was read.
        var page: (after: UInt64, head: UInt64)?
        var isPaused = false
        var handedOver: [UInt64] = []

        mutating func step() {
            switch Int.random(in: 0..<12, using: &self.random) {
            case 0...3:
                self.head += 1
                if Int.random(in: 0..<5, using: &self.random) > 0 {
                    self.onTheWay.append((self.head, Int.random(in: 0..<4, using: &self.random) == 0))
                }
            case 4...7:
                self.arrive(first: Int.random(in: 0..<4, using: &self.random) > 0)
            case 8:
                if let repeated = self.onTheWay.randomElement(using: &self.random) { self.onTheWay.append(repeated) }
            case 9:
                self.answer(fails: Int.random(in: 0..<3, using: &self.random) == 0)
            case 10:
                self.carryOut(self.cursor.catchUp())
            default:
                // A new connection: what was on the way is lost.
                self.onTheWay = []
                self.cursor.connected()
                self.carryOut(self.cursor.catchUp())
            }
        }

        mutating func settle() {
            while !self.onTheWay.isEmpty { self.arrive(first: true) }
            self.carryOut(self.cursor.catchUp())
            var rounds = 0
            while self.page != nil || self.isPaused, rounds < 10_000 {
                rounds += 1
                self.answer(fails: false)
            }
        }

        private mutating func arrive(first: Bool) {
            guard !self.onTheWay.isEmpty else { return }
            let index = first ? 0 : Int.random(in: 0..<self.onTheWay.count, using: &self.random)
            let (seq, isOwn) = self.onTheWay.remove(at: index)
            let message = ConversationCursorTests().message(seq)
            switch isOwn ? self.cursor.acknowledged(message) : self.cursor.receivedLive(message) {
            case .deliver:
                self.handedOver.append(seq)
                while let ready = self.cursor.popReady() { self.handedOver.append(ready.message.seq) }
            case .overflow:
                self.carryOut(self.cursor.catchUp())
            case .wait, .known:
                break
            }
        }

        private mutating func answer(fails: Bool) {
            if self.isPaused {
                self.isPaused = false
                self.carryOut(self.cursor.pauseEnded())
                return
            }
            guard let page = self.page else { return }
            self.page = nil
            guard !fails else {
                self.carryOut(self.cursor.pageFailed())
                return
            }
            let last = min(page.head, page.after + 3)
            let seqs = page.after < last ? Array((page.after + 1)...last) : []
            let outcome = self.cursor.pageReceived(
                seqs.map { ConversationCursorTests().message($0) },
                hasMore: last < page.head
            )
            self.handedOver += outcome.deliver.map(\.message.seq)
            self.carryOut(outcome.action)
        }

        private mutating func carryOut(_ action: ConversationCursor.FetchAction) {
            switch action {
            case .fetch(let after): self.page = (after, self.head)
            case .pause: self.isPaused = true
            case .none: break
            }
        }
    }
}
