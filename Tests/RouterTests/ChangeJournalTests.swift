// SPDX-License-Identifier: Apache-2.0

import Directory
import Glibc
import Messaging
import NIOCore
import NIOPosix
import Placement
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Router

/// A registry and links that a test sees into. The registry answers late, on another thread.
private final class ScriptedTransport: AudienceTransport {
    private struct State {
        var sessions: [UserID: Set<EdgeLife>] = [:]
        var linked: Set<EdgeLife> = []
        /// By edge, the numbers of the messages, in their order.
        var sent: [String: [UInt64]] = [:]
    }

    private let state = Mutex(State())
    let journal: ChangeJournal

    init(_ journal: ChangeJournal, linked: Set<EdgeLife>) {
        self.journal = journal
        self.state.withLock { $0.linked = linked }
    }

    func register(_ user: UserID, on edge: EdgeLife) {
        self.state.withLock { _ = $0.sessions[user, default: []].insert(edge) }
    }

    func sent(to edge: String) -> [UInt64] {
        self.state.withLock { $0.sent[edge] ?? [] }
    }

    func lookUp(_ users: [UserID], completion: @escaping @Sendable (Audience.Answer) -> Void) {
        Task.detached {
            let answer = self.state.withLock { state in
                Audience.Answer.found(state.sessions.mapValues { Array($0) }, complete: state.linked)
            }
            completion(answer)
        }
    }

    func notify(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) -> Bool {
        guard kind == .deliver, let deliver = try? Deliver(decoding: payload) else { return true }
        self.state.withLock { $0.sent[edge, default: []].append(deliver.message.seq) }
        return true
    }

    func settle(_ departure: Departure, completion: @escaping @Sendable () -> Void) {
        completion()
    }

    func notifyEphemeral(_ kind: NotificationKind, _ payload: ByteBuffer, edge: String) {}

    func finished(_ positions: [UInt64]) {
        self.journal.finished(positions)
    }

    func relay(
        _ relay: Relay,
        through router: String,
        completion: @escaping @Sendable (RelayOutcome) -> Void
    ) {
        completion(.refused)
    }

    func relayed(to edges: Set<String>, through reached: RelayedThrough) {}
    func missed(by edge: String) {}
}

@Suite("The journal of changes", .timeLimit(.minutes(2)))
struct ChangeJournalTests {
    private static let life = Incarnation(value: 77)
    private static let edge = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))
    private static let own = RouterLife(name: "r1", incarnation: Self.life.description)

    private static func table(epoch: UInt64 = 1, routers: [String]) -> RoutingTable {
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["s"]) { table.adopt(map) }
        table.adopt(View(shard: "s", epoch: epoch, routers: routers))
        return table
    }

    /// The proof of contract C4, tried: while messages are stored and routed on other threads, a device attaches and asks
    /// what it missed. Each message is in the answer or was sent to the device's edge.
    @Test("A message routed while a session opens is in the answer or is sent to its edge", arguments: 0..<60)
    func attachRace(round: Int) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let journal = ChangeJournal(own: Self.own, life: Self.life)
        let table = Self.table(routers: ["\(Self.own)"])
        journal.routingChanged(table)
        let transport = ScriptedTransport(journal, linked: [Self.edge])
        let dispatcher = AudienceDispatcher(loop: group.next(), transport: transport)
        dispatcher.linksChanged([Self.edge])
        // What the registry says of the edge holds: nothing is sent to it to be on the safe side.
        dispatcher.attachmentChanged(edge: Self.edge.edge, Attachment(attached: [], detached: [], isRegistered: true))
        let list = members([1: .owner, 2: .member])
        let total: UInt64 = 60
        let pause = round % 4
        async let stored: Void = onThread {
            for seq in 1...total {
                let parcel = Parcel(
                    conversation: conversationID,
                    content: .message(Message(submit(seq), seq: seq, createdAt: start)),
                    members: list
                )
                dispatcher.deliver(journal.record([parcel]))
                if pause > 0, seq % UInt64(pause * 5) == 0 { usleep(300) }
            }
        }
        // On one thread, as what comes over one link: registry, announcement, question.
        let since = journal.beginning.position
        let mesh = group.next()
        let answer = try await mesh.submit {
            transport.register(user(2), on: Self.edge)
            let attachment = Attachment(attached: [user(2)], detached: [], isRegistered: true)
            dispatcher.attachmentChanged(edge: Self.edge.edge, attachment)
            return journal.answer(SyncChanges(user: user(2), life: Self.life, since: min(since, 1)), table: table)
        }.get()
        try await stored
        let head = answer.changed.first?.headSeq ?? 0
        let expected = Set((head + 1)...max(head + 1, total)).filter { $0 <= total }
        try await eventually("what came after the answer was sent to the edge") {
            Set(transport.sent(to: Self.edge.edge)).isSuperset(of: expected)
        }
        #expect(transport.sent(to: Self.edge.edge).isSortedAscending)
        try await eventually("everything is on the links") {
            journal.takeProgress(of: Self.edge.edge).position == journal.beginning.position
        }
        try await group.shutdownGracefully()
    }

    @Test("A position is told to an edge only when what stands before it is on the links, and a gap before all else")
    func progress() throws {
        let journal = ChangeJournal(own: Self.own, life: Self.life)
        let list = members([1: .owner, 2: .member])
        func parcel(_ seq: UInt64) -> Parcel {
            Parcel(
                conversation: conversationID,
                content: .message(Message(submit(seq), seq: seq, createdAt: start)),
                members: list
            )
        }
        let positions = journal.record((1...3).map { parcel($0) }).map(\.position)
        #expect(positions == [1, 2, 3])
        journal.finished([3])
        #expect(journal.takeProgress(of: "e") == DeliveryProgress(kind: .reached, position: 0))
        journal.missed(by: "e")
        journal.finished([1, 2])
        #expect(journal.takeProgress(of: "f") == DeliveryProgress(kind: .reached, position: 3))
        #expect(journal.takeProgress(of: "e").kind == .gap)
        #expect(journal.takeProgress(of: "e") == DeliveryProgress(kind: .reached, position: 3))
        #expect(journal.beginning == DeliveryProgress(kind: .begins, position: 3, lastChange: 3))
    }

    @Test("What may have changed without a record ends what is answered for, and every edge is told of a gap")
    func untold() {
        let journal = ChangeJournal(own: Self.own, life: Self.life)
        let table = Self.table(routers: ["\(Self.own)"])
        journal.routingChanged(table)
        let before = journal.counts.position
        let question = SyncChanges(user: user(1), life: Self.life, since: before)
        #expect(!journal.answer(question, table: table).hasForgotten)
        journal.untold(to: ["e"])
        #expect(journal.answer(question, table: table).hasForgotten)
        let progress = journal.takeProgress(of: "e")
        #expect(progress == DeliveryProgress(kind: .gap, position: before + 1))
        #expect(journal.takeProgress(of: "f") == DeliveryProgress(kind: .reached, position: before + 1))
        #expect(journal.beginning.lastChange == before + 1)
        let next = SyncChanges(user: user(1), life: Self.life, since: before + 1)
        #expect(!journal.answer(next, table: table).hasForgotten)
    }

    @Test("Nothing is answered for by a table that the journal has not taken up, nor to a token of another life")
    func disagreement() {
        let journal = ChangeJournal(own: Self.own, life: Self.life)
        let table = Self.table(routers: ["\(Self.own)"])
        let question = SyncChanges(user: user(1), life: Self.life, since: 1)
        #expect(journal.answer(question, table: table).complete.isEmpty)
        journal.routingChanged(table)
        #expect(journal.answer(question, table: table).complete.count == Slot.count)
        let newer = Self.table(epoch: 2, routers: ["\(Self.own)"])
        #expect(journal.answer(question, table: newer).complete.isEmpty)
        journal.routingChanged(newer)
        #expect(journal.answer(question, table: newer).complete.count == Slot.count)
        // An older table changes nothing, and a view that was missed ends what was known.
        journal.routingChanged(table)
        #expect(journal.answer(question, table: newer).complete.count == Slot.count)
        let latest = Self.table(epoch: 4, routers: ["\(Self.own)"])
        journal.routingChanged(latest)
        #expect(journal.answer(question, table: latest).complete.isEmpty)
        let stranger = SyncChanges(user: user(1), life: Incarnation(value: 78), since: 1)
        #expect(journal.answer(stranger, table: latest).complete.isEmpty)
        #expect(!journal.answer(stranger, table: latest).hasForgotten)
    }
}

extension Array where Element: Comparable {
    fileprivate var isSortedAscending: Bool {
        zip(self, self.dropFirst()).allSatisfy { $0 < $1 }
    }
}
