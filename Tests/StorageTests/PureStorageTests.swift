// SPDX-License-Identifier: Apache-2.0

import Messaging
import Postgres
import Testing

@testable import Storage

@Suite("Storage without a database")
struct PureStorageTests {
    @Test(
        "what an error of the server means",
        arguments: [
            ("53100", StorageError.Code.diskFull), ("57014", .unavailable), ("40P01", .unavailable),
            ("40001", .unavailable), ("55P03", .unavailable), ("25006", .unavailable), ("53300", .unavailable),
            ("53200", .unavailable), ("57P01", .unavailable), ("57P03", .unavailable), ("08006", .unavailable),
            ("58030", .unavailable), ("42P01", .wrongDatabase), ("42883", .wrongDatabase), ("23505", .internal),
            ("22021", .internal), ("42601", .internal), ("XX000", .internal),
        ]
    )
    func sqlStates(state: String, code: StorageError.Code) {
        let error = PostgresError(.server(sqlState: state), "message")
        #expect(StorageError(error, effect: .commits).code == code)
        #expect(StorageError(error, effect: .none).code == code)
    }

    @Test("a lost connection is of unknown outcome only when something was committed over it")
    func lost() {
        for code in [PostgresError.Code.connectionLost, .deadlineExceeded] {
            let sent = PostgresError(code, "message", mayHaveBeenApplied: true)
            #expect(StorageError(sent, effect: .commits).code == .outcomeUnknown)
            #expect(StorageError(sent, effect: .none).code == .unavailable)
            let notSent = PostgresError(code, "message")
            #expect(StorageError(notSent, effect: .commits).code == .unavailable)
        }
        #expect(StorageError(PostgresError(.cannotConnect, "message"), effect: .commits).code == .unavailable)
    }

    @Test("waits between attempts double up to the bound, and start over after success")
    func backoff() {
        var backoff = ReconnectBackoff(waitMin: .milliseconds(50), waitMax: .milliseconds(300))
        let limit = Duration.seconds(5)
        var now = ContinuousClock.now
        /// Fails once and says how long the next attempt has to wait.
        func fail(_ random: Double = 1) -> Duration? {
            guard case .attempt(let attempt) = backoff.begin(now: now, limit: limit) else { return nil }
            backoff.attemptFailed(attempt, now: now, random: random)
            guard case .wait(let time) = backoff.begin(now: now, limit: limit) else { return nil }
            now += time
            return time
        }
        #expect((0..<5).map { _ in fail() } == [50, 100, 200, 300, 300].map { .milliseconds($0) })
        #expect(fail(0) == .milliseconds(150))
        for _ in 0..<200 { _ = fail() }
        #expect(fail() == .milliseconds(300))
        backoff.attemptSucceeded()
        #expect(fail() == .milliseconds(50))
    }

    @Test("After a failure one session tries for all, from the next host on; those that try at the same time fail once")
    func reconnectingTogether() {
        typealias Attempt = ReconnectBackoff.Attempt
        var backoff = ReconnectBackoff(waitMin: .milliseconds(50), waitMax: .milliseconds(300))
        let (now, limit) = (ContinuousClock.now, Duration.seconds(5))
        let first = Attempt(round: 0, host: 0)
        #expect(backoff.begin(now: now, limit: limit) == .attempt(first))
        #expect(backoff.begin(now: now, limit: limit) == .attempt(first))
        backoff.attemptFailed(first, now: now, random: 1)
        backoff.attemptFailed(first, now: now, random: 1)
        #expect(backoff.begin(now: now, limit: limit) == .wait(.milliseconds(50)))
        let later = now + .milliseconds(50)
        let second = Attempt(round: 1, host: 1)
        #expect(backoff.begin(now: later, limit: limit) == .attempt(second))
        #expect(backoff.begin(now: later, limit: limit) == .wait(limit))
        // One that never says how it ended is not waited for.
        #expect(backoff.begin(now: later + limit, limit: limit) == .attempt(second))
        // It ends well, and one that began before fails afterwards: the shard can be reached all the same, at that host.
        backoff.attemptSucceeded()
        backoff.attemptFailed(second, now: later + limit, random: 1)
        #expect(backoff.begin(now: later + limit, limit: limit) == .attempt(Attempt(round: 2, host: 1)))
    }

    @Test("partitions are named and bounded by week")
    func partitions() {
        let week = Partition.periodMilliseconds
        let now: UnixMilliseconds = 1_763_719_200_000
        #expect(Partition.period(of: now) == 2916)
        #expect(Partition.needed(now: now) == 2915...2924)
        #expect(Partition.needed(now: 0) == 0...8)
        let messages = Partition(.messages, period: 2916)
        #expect(messages.name == "messages_p2916")
        #expect(messages.creationScript.contains("FOR VALUES FROM (2916) TO (2917)"))
        let ids = Partition(.messageIDs, period: 2916)
        let bound = ClientMessageID.lowerBound(at: 2916 * week)
        #expect(ids.creationScript.contains("FOR VALUES FROM ('\(bound)')"))
        #expect(Partition(name: "message_ids_p2916", of: .messageIDs) == ids)
        for name in ["message_ids_default", "messages_p2916", "message_ids_p", "message_ids_p-1", "other"] {
            #expect(Partition(name: name, of: .messageIDs) == nil)
        }
    }

    @Test("a week of ids is expired only when each of them is older than any that is accepted, by a week")
    func expiry() {
        let week = Partition.periodMilliseconds
        let end = 101 * week
        let margin = Limits.clientMessageIDAgeMax + week
        #expect(!Partition.isExpired(period: 100, now: end + margin - 1))
        #expect(Partition.isExpired(period: 100, now: end + margin))
    }

    @Test("a batch knows what it holds")
    func batch() {
        var batch = MessageBatch()
        #expect(batch.isEmpty)
        let one = ConversationID.generate()
        let two = ConversationID.generate()
        batch.append(.test(one, 5, body: "äö"))
        batch.append(.test(two, 1, body: ""))
        batch.append(.test(one, 6, body: "x"))
        #expect(batch.rowCount == 3)
        #expect(batch.bodyBytes == 5)
        #expect(batch.conversationIDs == [one, two])
        #expect(
            batch.columns.prefix(3) == [
                .uuidArray([one.value, two.value]), .int8Array([4, 0]), .int8Array([6, 1]),
            ]
        )
        batch.removeAll()
        #expect(batch.isEmpty)
        #expect(batch.bodyBytes == 0)
    }
}
