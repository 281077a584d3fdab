// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Placement
import TestSupport
import Testing
import Wire

@testable import Edge

private let oneLife = Incarnation(value: 100)
private let otherLife = Incarnation(value: 200)

private func all() -> SlotSet {
    var slots = SlotSet()
    for number in 0..<Slot.count { if let slot = Slot(number) { slots.insert(slot) } }
    return slots
}

private func answer(
    _ life: Incarnation,
    position: UInt64 = 50,
    complete: SlotSet = all(),
    routing: UInt64 = 1,
    hasForgotten: Bool = false,
    _ changed: [ConversationChanged] = []
) -> ChangesSince {
    ChangesSince(
        life: life,
        position: position,
        routing: routing,
        complete: complete,
        hasForgotten: hasForgotten,
        changed: changed
    )
}

private func answer(
    complete: SlotSet = all(),
    routing: UInt64 = 1,
    _ changed: [ConversationChanged] = []
) -> ChangesSince {
    answer(oneLife, complete: complete, routing: routing, changed)
}

private func change(
    _ number: UInt64,
    head: UInt64,
    joined: UInt64 = 0,
    version: UInt64 = 1,
    isRemoved: Bool = false,
    isUpdated: Bool = false,
    hasReceipts: Bool = false
) -> ConversationChanged {
    ConversationChanged(
        conversation: ConversationID(value: UInt128(number)),
        headSeq: head,
        joinedSeq: joined,
        membersVersion: version,
        isRemoved: isRemoved,
        isUpdated: isUpdated,
        hasReceipts: hasReceipts
    )
}

private func receipts(_ number: UInt64, _ read: UInt64 = 1) -> ConversationReceipts {
    let entry = MemberWatermarks(user: UserID(value: 1), watermarks: Watermarks(delivered: read, read: read))
    return ConversationReceipts(conversation: id(number), stateVersion: read, entries: [entry])
}

private func liveReceipts(_ number: UInt64, _ read: UInt64) -> SyncMachine.Live {
    var live = live(number, read)
    live.seq = 0
    live.isReceipts = true
    return live
}

private func id(_ number: UInt64) -> ConversationID { ConversationID(value: UInt128(number)) }

private func message(_ number: UInt64, _ seq: UInt64) -> Message {
    Message(
        conversation: id(number),
        seq: seq,
        sender: UserID(value: 1),
        senderDevice: DeviceID(value: 1),
        clientMessageID: ClientMessageID(value: UInt128(seq)),
        kind: .text,
        body: "b",
        createdAt: 1
    )
}

private func live(_ number: UInt64, _ seq: UInt64) -> SyncMachine.Live {
    var frame = ByteBuffer(integer: number)
    frame.writeInteger(seq)
    return SyncMachine.Live(conversation: id(number), seq: seq, frame: frame)
}

@Suite("The course of a sync")
struct SyncMachineTests {
    private func machine(
        _ cursors: [UInt64: UInt64],
        token: ResumeToken? = ResumeToken(positions: [oneLife: 10]),
        perConversation: Int = 100,
        total: Int = 1000,
        held: Int = 1 << 20,
        receipts: Int? = nil
    ) -> SyncMachine {
        var bounds = SyncMachine.Bounds(
            messagesPerConversationMax: perConversation,
            messagesMax: total,
            heldBytesMax: held
        )
        bounds.receiptConversationsMax = receipts ?? 0
        return SyncMachine(
            cursors: Dictionary(uniqueKeysWithValues: cursors.map { (id($0.key), $0.value) }),
            token: token,
            wantsReceipts: receipts != nil,
            bounds: bounds
        )
    }

    @Test("Receipts are read where there are any, new messages or not, if they are wanted; too many are named")
    func receiptsOnly() {
        let changes = [
            change(1, head: 0, hasReceipts: true), change(2, head: 5), change(3, head: 0, hasReceipts: true),
            change(4, head: 0, isRemoved: true, hasReceipts: true),
        ]
        var silent = self.machine([1: 3, 2: 5, 3: 3, 4: 1])
        let none = silent.answered([answer(changes)])
        guard case .finish = none.first else {
            Issue.record("receipts that nobody wants: \(none)")
            return
        }
        var machine = self.machine([1: 3, 2: 5, 3: 3, 4: 1], receipts: 1)
        let asked = machine.answered([answer(changes)])
        #expect(asked == [.readReceipts([id(1)])])
        let actions = machine.receiptsRead([id(1)], [receipts(1)])
        #expect(actions.first == .writeReceipts([receipts(1)]))
        guard case .finish(let outcome) = actions.last else {
            Issue.record("not finished: \(actions)")
            return
        }
        #expect(outcome.receiptsLeftOut == [id(3)])
        #expect(outcome.changed == 0 && outcome.unavailable.isEmpty)
    }

    @Test("Receipts that cannot be read are told; those that come live go through, or are read when there was no room")
    func receiptsMeanwhile() {
        var machine = self.machine([1: 3, 2: 3], receipts: 10)
        let through = machine.offer(liveReceipts(1, 5))
        #expect(through == .write)
        _ = machine.writabilityChanged(false)
        let leftOut = machine.offer(liveReceipts(1, 6))
        #expect(leftOut == .keep)
        let waiting = machine.answered([answer([change(2, head: 3, hasReceipts: true)])])
        #expect(waiting.isEmpty)
        let asked = machine.writabilityChanged(true)
        #expect(asked == [.readReceipts([id(1), id(2)])])
        _ = machine.writabilityChanged(false)
        let again = machine.offer(liveReceipts(2, 7))
        #expect(again == .keep)
        let notYet = machine.receiptsRead([id(1), id(2)], [receipts(1, 6), receipts(2, 6)])
        #expect(notYet == [.writeReceipts([receipts(1, 6), receipts(2, 6)])])
        let second = machine.writabilityChanged(true)
        #expect(second == [.readReceipts([id(2)])])
        guard case .finish(let outcome) = machine.receiptsRead([id(2)], nil).last else {
            Issue.record("not finished")
            return
        }
        #expect(outcome.unavailable == [id(2)])
    }

    @Test("With a token only what changed is read, up to the head that was told, and nothing is compared")
    func changesOnly() {
        var machine = self.machine([1: 3, 2: 9, 3: 1])
        #expect(machine.start() == [.ask])
        let result1 = machine.answered([answer([change(1, head: 5)])])
        #expect(result1 == [.read(id(1), after: 3)])
        // The page is newer than the answer: what is beyond comes live.
        let actions = machine.pageRead(id(1), .messages((4...7).map { message(1, $0) }, hasMore: false))
        #expect(actions.count == 2)
        #expect(actions[0] == .write(conversation: id(1), (4...5).map { message(1, $0) }, headSeq: 5, hasMore: false))
        guard case .finish(let outcome) = actions[1] else {
            Issue.record("not finished: \(actions)")
            return
        }
        #expect(outcome.changed == 1)
        #expect(!outcome.isFull)
        #expect(outcome.positions == [oneLife: 50])
        let result2 = machine.offer(live(1, 5))
        #expect(result2 == .keep)
        let result3 = machine.offer(live(1, 6))
        #expect(result3 == .write)
    }

    @Test("No router vouches without a token, for another life's, when one forgot, or when they disagree")
    func vouching() {
        let token = ResumeToken(positions: [oneLife: 10, otherLife: 20])
        let both = [answer(), answer(otherLife, complete: SlotSet())]
        #expect(SyncMachine.vouched(both, token: token).count == Slot.count)
        #expect(SyncMachine.vouched(both, token: nil).isEmpty)
        #expect(SyncMachine.vouched([answer()], token: token).isEmpty)
        #expect(SyncMachine.vouched([answer()], token: token, endedLives: [otherLife: 20]).count == Slot.count)
        #expect(SyncMachine.vouched([answer()], token: token, endedLives: [otherLife: 21]).isEmpty)
        #expect(SyncMachine.vouched([answer(), answer(otherLife, routing: 2)], token: token).isEmpty)
        #expect(SyncMachine.vouched([answer(), answer(otherLife, hasForgotten: true)], token: token).isEmpty)
        #expect(SyncMachine.vouched(both + [answer(Incarnation(value: 3))], token: token).count == Slot.count)
    }

    @Test("Slots that nobody vouches for are compared, and what the comparison says counts there")
    func comparison() {
        var machine = self.machine([1: 3, 2: 2])
        let result4 = machine.answered([answer(complete: SlotSet(), [change(1, head: 9)])])
        #expect(result4 == [.compare(except: SlotSet())])
        let actions = machine.compared([
            change(2, head: 4), change(3, head: 6, joined: 5), change(9, head: 0, isRemoved: true),
        ])
        #expect(actions == [.read(id(3), after: 5), .read(id(2), after: 2)])
    }

    @Test("Of what two routers know of one conversation the newer members and the larger head count")
    func formerOwner() {
        var machine = self.machine([1: 3])
        let actions = machine.answered([
            answer([change(1, head: 8, version: 4)]),
            answer(otherLife, [change(1, head: 6, version: 5, isUpdated: true)]),
        ])
        #expect(actions == [.read(id(1), after: 3)])
    }

    @Test("What is too far is said with what is missing, the smallest gaps are closed first")
    func tooFar() {
        var machine = self.machine([1: 0, 2: 0, 3: 0, 4: 5], perConversation: 10, total: 14)
        let actions = machine.answered([
            answer([change(1, head: 11), change(2, head: 9), change(3, head: 4), change(4, head: 7)])
        ])
        #expect(actions == [.read(id(4), after: 5), .read(id(3), after: 0)])
        _ = machine.pageRead(id(4), .messages([message(4, 6), message(4, 7)], hasMore: false))
        let last = machine.pageRead(id(3), .messages((1...4).map { message(3, $0) }, hasMore: false)).last
        guard case .finish(let outcome) = last else {
            Issue.record("not finished")
            return
        }
        #expect(outcome.tooFar.map(\.conversation) == [id(2), id(1)])
        #expect(outcome.tooFar.map(\.headSeq) == [9, 11])
        #expect(outcome.tooFar.map(\.after) == [0, 0])
    }

    @Test("Removed and updated conversations are told, and one that is left while its page is read")
    func removed() {
        var machine = self.machine([1: 3, 2: 3, 3: 3])
        let actions = machine.answered([
            answer([change(1, head: 5, isRemoved: true), change(2, head: 3, isUpdated: true), change(3, head: 4)])
        ])
        #expect(actions == [.read(id(3), after: 3)])
        guard case .finish(let outcome) = machine.pageRead(id(3), .gone).last else {
            Issue.record("not finished")
            return
        }
        #expect(outcome.removed == [id(1), id(3)])
        #expect(outcome.updated == [id(2)])
    }

    @Test("What cannot be compared or read is told, and keeps nothing else from being brought up to date")
    func unavailable() {
        var machine = self.machine([1: 3, 2: 1], token: nil)
        _ = machine.answered([answer(complete: SlotSet())])
        let reads = machine.compared([change(1, head: 5), change(2, head: 2)], unavailable: [id(9)])
        #expect(reads == [.read(id(2), after: 1), .read(id(1), after: 3)])
        let result5 = machine.pageRead(id(1), .failed(Failure(.unavailable, "away")))
        #expect(result5.isEmpty)
        let last = machine.pageRead(id(2), .messages([message(2, 2)], hasMore: false)).last
        guard case .finish(let outcome) = last else {
            Issue.record("not finished")
            return
        }
        #expect(outcome.unavailable == [id(9), id(1)])
        #expect(outcome.changed == 1)
        #expect(machine.isEnded)
    }

    @Test("Nothing is read while the session has no room, and what comes live meanwhile waits, in order")
    func backPressure() {
        var machine = self.machine([1: 0, 2: 0])
        _ = machine.writabilityChanged(false)
        let result6 = machine.answered([answer([change(1, head: 2)])])
        #expect(result6.isEmpty)
        let result7 = machine.offer(live(2, 1))
        #expect(result7 == .keep)
        let result8 = machine.offer(live(2, 2))
        #expect(result8 == .keep)
        let actions = machine.writabilityChanged(true)
        #expect(actions == [.release([live(2, 1).frame, live(2, 2).frame]), .read(id(1), after: 0)])
    }

    /// A world of one router: messages are stored, recorded, and sent live or not, as the order of events has it.
    @Test("Random courses: a client that only appends has every message once and in order", arguments: 0..<40)
    func random(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        for _ in 0..<25 { self.course(seed, using: &random) }
    }

    private func course(_ seed: Int, using random: inout SeededRandom) {
        let numbers = 1...5 as ClosedRange<UInt64>
        var heads: [UInt64: UInt64] = [:]
        var device: [UInt64: [UInt64]] = [:]
        for number in numbers {
            heads[number] = UInt64.random(in: 0...30, using: &random)
            let cursor = UInt64.random(in: 0...(heads[number] ?? 0), using: &random)
            device[number] = cursor > 0 ? Array(1...cursor) : []
        }
        let isFull = Bool.random(using: &random)
        var machine = self.machine(
            Dictionary(uniqueKeysWithValues: device.map { ($0.key, UInt64($0.value.count)) }),
            perConversation: 1000,
            total: 100_000,
            held: Int.random(in: 0...1500, using: &random),
            receipts: 10
        )
        // How far a member has come, as it is stored, and as the device knows.
        var stored = Dictionary(uniqueKeysWithValues: numbers.map { ($0, UInt64.random(in: 0...9, using: &random)) })
        var known = stored.mapValues { UInt64.random(in: 0...$0, using: &random) }
        func learned(_ receipts: [ConversationReceipts]) {
            for conversation in receipts {
                let number = UInt64(conversation.conversation.value)
                known[number] = max(known[number] ?? 0, conversation.entries.first?.watermarks.read ?? 0)
            }
        }
        var receiptReads: [[ConversationID]] = []
        // Sent by the router and not yet at the edge; stored messages that were sent before the question too.
        var onTheWay: [SyncMachine.Live] = []
        for number in numbers where (heads[number] ?? 0) > 0 && Bool.random(using: &random) {
            onTheWay.append(live(number, heads[number] ?? 0))
        }
        var reads: [ConversationID: UInt64] = [:]
        var isWritable = true
        var isFinished = false
        func carryOut(_ actions: [SyncMachine.Action]) {
            for action in actions {
                switch action {
                case .ask, .fail: break
                case .compare: break
                case .read(let conversation, let after): reads[conversation] = after
                case .readReceipts(let conversations): receiptReads.append(conversations)
                case .writeReceipts(let receipts): learned(receipts)
                case .write(let conversation, let messages, _, _):
                    device[UInt64(conversation.value), default: []] += messages.map(\.seq)
                case .release(let frames):
                    for var frame in frames {
                        let number = frame.readInteger(as: UInt64.self) ?? 0
                        device[number, default: []].append(frame.readInteger(as: UInt64.self) ?? 0)
                    }
                case .finish: isFinished = true
                }
            }
        }
        func changes() -> [ConversationChanged] {
            heads.map { change($0.key, head: $0.value, hasReceipts: known[$0.key] ?? 0 < stored[$0.key] ?? 0) }
        }
        carryOut(machine.start())
        var stage = 0
        var steps = 0
        while !(isFinished && onTheWay.isEmpty && steps > 120) {
            steps += 1
            switch UInt8.random(in: 0..<8, using: &random) {
            case 0, 1:
                guard steps < 120 else { break }
                let number = UInt64.random(in: numbers, using: &random)
                heads[number, default: 0] += 1
                // Before the question nothing of it comes to this session.
                onTheWay.append(live(number, heads[number] ?? 0))
                if Bool.random(using: &random) {
                    stored[number, default: 0] += 1
                    onTheWay.append(liveReceipts(number, stored[number] ?? 0))
                }
            case 2, 3:
                guard !onTheWay.isEmpty else { break }
                let next = onTheWay.removeFirst()
                let verdict = machine.offer(next)
                if verdict == .write, next.isReceipts {
                    var frame = next.frame
                    let number = frame.readInteger(as: UInt64.self) ?? 0
                    learned([receipts(number, frame.readInteger(as: UInt64.self) ?? 0)])
                } else if verdict == .write {
                    device[UInt64(next.conversation.value), default: []].append(next.seq)
                }
            case 4:
                isWritable.toggle()
                carryOut(machine.writabilityChanged(isWritable))
            default:
                if stage == 0 {
                    carryOut(machine.answered([answer(complete: isFull ? SlotSet() : all(), changes())]))
                    stage = isFull ? 1 : 2
                } else if stage == 1 {
                    carryOut(machine.compared(changes()))
                    stage = 2
                } else if !receiptReads.isEmpty, Bool.random(using: &random) {
                    let share = receiptReads.removeFirst()
                    let rows = share.map { receipts(UInt64($0.value), stored[UInt64($0.value)] ?? 0) }
                    carryOut(machine.receiptsRead(share, rows))
                } else if let (conversation, after) = reads.randomElement(using: &random) {
                    reads[conversation] = nil
                    let head = heads[UInt64(conversation.value)] ?? 0
                    let rows = UInt64.random(in: 1...8, using: &random)
                    let last = min(head, after + rows)
                    let page = after < last ? ((after + 1)...last).map { message(UInt64(conversation.value), $0) } : []
                    carryOut(machine.pageRead(conversation, .messages(page, hasMore: last < head)))
                }
            }
            if steps == 5000 {
                Issue.record("seed \(seed): it does not end")
                return
            }
            if steps > 4000, !isWritable {
                isWritable = true
                carryOut(machine.writabilityChanged(true))
            }
        }
        for number in numbers {
            let head = heads[number] ?? 0
            #expect(device[number] == (head > 0 ? Array(1...head) : []), "seed \(seed), conversation \(number)")
            #expect(known[number] == stored[number], "seed \(seed), receipts of \(number)")
        }
    }
}
