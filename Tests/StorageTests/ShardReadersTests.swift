// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres
import Storage
import Synchronization
import TestSupport
import Testing

@Suite("Readers")
struct ShardReadersTests {
    @Test("many asynchronous reads are served by two threads")
    func reads() async throws {
        let shard = try TestShard()
        let readers = ShardReaders(shard.configuration(applicationName: "readers"))
        let epochs = try await withThrowingTaskGroup(of: UInt64.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await readers.read { (session) throws(StorageError) in try session.readView().epoch }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(epochs == [UInt64](repeating: 1, count: 200))
        #expect(try shard.count("pg_stat_activity", where: "application_name = 'readers'") <= 2)
        await readers.shutdown()
        try waitUntil { try shard.count("pg_stat_activity", where: "application_name = 'readers'") == 0 }
    }

    @Test("over the bound a read is refused at once; at shutdown what waits fails and what runs ends")
    func bounds() async throws {
        let shard = try TestShard()
        let readers = ShardReaders(shard.configuration(applicationName: "readers"), threads: 1, queuedReadsMax: 2)
        let blocker = try shard.console()
        try blocker.execute("BEGIN", deadline: .soon)
        try blocker.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE", deadline: .soon)
        let read: @Sendable () async -> Result<Int, StorageError> = {
            do throws(StorageError) {
                return try await .success(
                    readers.read { (session) throws(StorageError) in try session.profiles([.generate()]).count }
                )
            } catch {
                return .failure(error)
            }
        }
        async let running = read()
        let watcher = try shard.console()
        try waitUntil { try shard.isWaitingForLock("readers", using: watcher) }
        let outcomes = await withTaskGroup(of: Result<Int, StorageError>.self) { group in
            for _ in 0..<3 { group.addTask { await read() } }
            var outcomes: [Result<Int, StorageError>] = []
            // One of the three found the queue full and is back before anything else happened.
            if let first = await group.next() { outcomes.append(first) }
            group.addTask {
                await readers.shutdown()
                return .success(-1)
            }
            for _ in 0..<2 {
                if let next = await group.next() { outcomes.append(next) }
            }
            _ = try? blocker.execute("ROLLBACK", deadline: .soon)
            for await rest in group { outcomes.append(rest) }
            return outcomes
        }
        let messages = outcomes.map { outcome in
            switch outcome {
            case .success(let value): "\(value)"
            case .failure(let error): error.message
            }
        }
        #expect(messages[0].contains("2 reads are waiting already"))
        #expect(messages[1].contains("shutting down"))
        #expect(messages[2].contains("shutting down"))
        #expect(messages[3] == "-1")
        #expect(await running == .success(0))
        #expect(await read().isFailure(.unavailable))
    }
}

extension Result where Failure == StorageError {
    fileprivate func isFailure(_ code: StorageError.Code) -> Bool {
        if case .failure(let error) = self { error.code == code } else { false }
    }
}
