// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Edge

@Suite("Receipts on their way to the owners: merged, bounded, answered once")
struct ReceiptMergerTests {
    private let conversation = ConversationID(value: 0xC0)
    private var merger = ReceiptMerger()
    private var random = SeededRandom(seed: 0x3E26)
    private let start = NIODeadline.uptimeNanoseconds(0)

    private func receipt(
        _ ticket: UInt64,
        _ user: Int,
        _ delivered: UInt64,
        _ read: UInt64 = 0,
        seconds: Int64 = 10
    ) -> ReceiptMerger.Receipt {
        ReceiptMerger.Receipt(
            ticket: ticket,
            user: UserID(value: UInt128(user)),
            watermarks: Watermarks(delivered: delivered, read: read),
            deadline: self.start + .seconds(seconds)
        )
    }

    private mutating func add(_ receipts: [ReceiptMerger.Receipt]) -> [ReceiptMerger.Request] {
        receipts.compactMap { receipt in
            guard case .send(let request) = self.merger.add(receipt, to: self.conversation) else { return nil }
            return request
        }
    }

    private mutating func end(_ outcome: AttemptOutcome, at seconds: Int64 = 0) -> ReceiptMerger.Outcome {
        self.merger.ended(self.conversation, outcome, now: self.start + .seconds(seconds), using: &self.random)
    }

    private func answer(_ entries: [MemberWatermarks]) -> AttemptOutcome {
        .answered(ReceiptsStored(entries: entries).encoded())
    }

    @Test("The first goes at once; what comes meanwhile is one request, with one entry for each user")
    mutating func merged() {
        let first = self.add([
            self.receipt(1, 1, 3), self.receipt(2, 1, 5), self.receipt(3, 2, 4, 4), self.receipt(4, 1, 4, 2),
        ])
        #expect(first.map(\.body.entries) == [[entry(1, 3)]])
        let second = self.end(self.answer([entry(1, 3)]))
        #expect(second.finished.map(\.ticket) == [1])
        #expect(Set(second.request?.body.entries ?? []) == [entry(1, 5, 2), entry(2, 4, 4)])
        let last = self.end(self.answer([entry(1, 6, 2), entry(2, 4, 4)]))
        #expect(last.finished.map(\.ticket) == [2, 3, 4])
        #expect(last.finished.compactMap { try? $0.result.get().delivered } == [6, 4, 6], "as it is stored")
        #expect(last.request == nil && self.merger.count == 0)
    }

    @Test("To be repeated: after a pause all goes again, merged with what came meanwhile; what is too old is told so")
    mutating func retried() {
        _ = self.add([self.receipt(1, 1, 3, seconds: 1), self.receipt(2, 2, 2)])
        let failed = self.end(.retry(mayHaveArrived: true))
        #expect(failed.pause != nil && failed.request == nil && failed.finished.isEmpty)
        let sent = self.add([self.receipt(3, 2, 7)])
        #expect(sent.isEmpty, "nothing is sent in a pause")
        let resumed = self.merger.resume(self.conversation, now: self.start + .seconds(2))
        #expect(resumed.finished.map(\.ticket) == [1])
        guard case .failure(let failure) = resumed.finished.first?.result else { return expired() }
        #expect(failure.code == .outcomeUnknown)
        #expect(resumed.request?.body.entries == [entry(2, 7)])
        let end = self.end(self.answer([entry(2, 7)]))
        #expect(end.finished.map(\.ticket) == [2, 3])
    }

    @Test("A failure and a time that is up are the answers of those in the request alone")
    mutating func failed() {
        _ = self.add([self.receipt(1, 1, 3), self.receipt(2, 2, 2)])
        let failed = self.end(.failed(Failure(.unavailable, "away", retryAfterMilliseconds: 7)))
        #expect(failed.finished.map(\.ticket) == [1] && failed.request != nil)
        let expired = self.end(.expired(mayHaveArrived: false))
        #expect(expired.finished.map(\.ticket) == [2] && self.merger.count == 0)
        guard case .failure(let failure) = expired.finished.first?.result else { return self.expired() }
        #expect(failure.code == .unavailable)
    }

    @Test("Who is no member, and who names a message that there is not, is told so; the other device is not harmed")
    mutating func refused() {
        _ = self.add([self.receipt(0, 9, 1), self.receipt(1, 1, 99), self.receipt(2, 1, 4), self.receipt(3, 3, 1)])
        let stranger = self.end(self.answer([]))
        #expect(stranger.finished.map { code($0.result) } == [.notFound])
        // The owner takes no part of a number that no message has.
        let again = self.end(self.answer([entry(1, 2)]))
        #expect(again.finished.map(\.ticket) == [1, 3])
        #expect(again.finished.map { code($0.result) } == [.invalidField, .notFound])
        #expect(again.request?.body.entries == [entry(1, 4)])
        let end = self.end(self.answer([entry(1, 4)]))
        #expect(end.finished.map(\.ticket) == [2] && code(end.finished[0].result) == nil)
        #expect(self.merger.count == 0)
    }

    @Test("Several numbers that no message has: each request ends one of them at least, and none goes again unchanged")
    mutating func severalBeyond() {
        _ = self.add([
            self.receipt(1, 1, 1), self.receipt(2, 1, 1000), self.receipt(3, 1, 900, 900), self.receipt(4, 1, 3),
        ])
        let merged = self.end(self.answer([entry(1, 1)]))
        #expect(merged.request?.body.entries == [entry(1, 1000, 900)])
        let first = self.end(self.answer([entry(1, 1)]))
        #expect(first.finished.map(\.ticket) == [2] && first.request?.body.entries == [entry(1, 900, 900)])
        let second = self.end(self.answer([entry(1, 1)]))
        #expect(second.finished.map(\.ticket) == [3] && second.request?.body.entries == [entry(1, 3)])
        let last = self.end(self.answer([entry(1, 3)]))
        #expect(last.finished.map(\.ticket) == [4] && code(last.finished[0].result) == nil)
        #expect(self.merger.count == 0)
    }

    @Test("An answer that cannot be read ends the receipts of its request")
    mutating func unreadable() {
        _ = self.add([self.receipt(1, 1, 3)])
        let end = self.end(.answered(ByteBuffer(bytes: [0xFF])))
        #expect(end.finished.map { code($0.result) } == [.internal])
        #expect(self.merger.count == 0)
    }

    @Test("A request has room for so many users, the others go into the next; and so many receipts may wait at all")
    mutating func bounds() {
        let users = Limits.receiptsPerRequestMax
        _ = self.add((0...2 * users).map { self.receipt(UInt64($0), $0, 1) })
        let first = self.end(self.answer([entry(0, 1)]))
        #expect(first.request?.body.entries.count == users)
        let rest = self.end(.failed(.noSuchConversation))
        #expect(rest.finished.count == users && rest.request?.body.entries.count == users)
        while self.merger.count < ReceiptMerger.receiptsMax {
            guard case .wait = self.merger.add(self.receipt(1 << 40, 1, 1), to: self.conversation) else {
                return self.expired()
            }
        }
        guard case .refuse = self.merger.add(self.receipt(1 << 41, 1, 1), to: self.conversation) else {
            return self.expired()
        }
        #expect(self.merger.count == ReceiptMerger.receiptsMax)
    }

    private func expired() {
        Issue.record("another outcome was expected")
    }
}

private func entry(_ user: Int, _ delivered: UInt64, _ read: UInt64 = 0) -> MemberWatermarks {
    MemberWatermarks(user: UserID(value: UInt128(user)), watermarks: Watermarks(delivered: delivered, read: read))
}

private func code(_ result: Result<Watermarks, Failure>) -> ErrorCode? {
    if case .failure(let failure) = result { failure.code } else { nil }
}
