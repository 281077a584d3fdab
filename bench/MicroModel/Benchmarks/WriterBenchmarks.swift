// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Router
import Storage
import Wire

extension Benchmark {
    /// What a router's writer does around the database.
    static let writer: [Benchmark] = {
        let messages = Samples.messages(512)
        return [
            Self.repeated("writer.batch.512", "512 numbered messages into the columns of one statement") {
                var batch = MessageBatch()
                for message in messages { batch.append(message) }
                keep(batch)
            },
            Self.round("writer.round.512", "512 messages to 64 conversations of 2", conversations: 64, members: 2),
            Self.round("writer.round.512.members_1000", "the same to one of 1,000", conversations: 1, members: 1000),
            Self.round(
                "writer.round.512.members_100000",
                "the same to one of 100,000",
                conversations: 1,
                members: 100_000
            ),
        ]
    }()

    /// One round: number, make the batch, and when it is stored, answer and make parcels. One operation is all 512.
    private static func round(_ name: String, _ summary: String, conversations: Int, members: Int) -> Benchmark {
        Benchmark(name, summary) {
            var driver = WriterDriver(conversations: conversations, members: members)
            return Case { count in
                for _ in 0..<count { driver.round(messages: 512) }
            }
        }
    }
}

/// A writer with a database that says yes.
private struct WriterDriver {
    private var writer = Writer(conversationsMax: 1000)
    private let circumstances: Writer.Circumstances
    private let submits: [Submit]
    private let states: [Storage.ConversationState]
    private var number: UInt64 = 1

    init(conversations: Int, members: Int) {
        var random = Samples.Random(seed: 6)
        let own = RouterLife(name: "router-1", incarnation: "")
        var table = RoutingTable()
        if let map = ShardMap(dealing: ["shard-1"]) { table.adopt(map) }
        table.adopt(View(shard: "shard-1", epoch: 1, routers: ["router-1"]))
        self.circumstances = Writer.Circumstances(
            now: .now(),
            wallClock: Samples.now,
            ownership: SlotOwnership(own: own, shard: "shard-1", table: table)
        )
        let ids: [ConversationID] = (0..<conversations).map { _ in Samples.identifier(&random) }
        let people = (0..<members).map { Member(user: Samples.user($0), role: .member) }
        self.states = ids.map { id in
            let conversation = Conversation(
                id: id,
                kind: .group,
                title: "",
                createdBy: Samples.user(1),
                createdAt: Samples.now,
                headSeq: 0
            )
            return ConversationState(conversation: conversation, members: people, membersVersion: 1)
        }
        self.submits = ids.map { Samples.submit(0, to: $0, &random) }
        // Loads the conversations, which is not measured.
        self.round(messages: conversations)
    }

    mutating func round(messages: Int) {
        let deadline = self.circumstances.now + .hours(24)
        let work = (0..<messages).map { index -> Writer.Work in
            var submit = self.submits[index % self.submits.count]
            submit.clientMessageID = Samples.clientMessageID(self.number)
            self.number += 1
            return .submit(self.number, Slot(of: submit.conversation.value), submit, deadline: deadline)
        }
        var turn = self.writer.begin(work, self.circumstances)
        var stored = 0
        while let call = turn.call {
            switch call {
            case .load(let ids):
                let wanted = Set(ids)
                turn = self.writer.resume(
                    .loaded(self.states.filter { wanted.contains($0.conversation.id) }),
                    self.circumstances
                )
            case .append(let batch, _):
                stored += batch.rowCount
                turn = self.writer.resume(.appended(.stored(stale: [])), self.circumstances)
            case .lookBack, .operate, .storeReceipts, .readView:
                preconditionFailure("a writer that asked for something else: \(call)")
            }
            keep(turn.effects)
        }
        precondition(stored == messages, "a writer that stored \(stored) of \(messages)")
    }
}
