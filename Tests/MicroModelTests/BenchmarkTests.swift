// SPDX-License-Identifier: Apache-2.0

import MicroModel
import Synchronization
import TestSupport
import Testing

/// That they still run. How fast is not for a test to say.
@Suite("Micro-benchmarks")
struct BenchmarkTests {
    @Test("Every one runs, twice in a row", arguments: Benchmark.all.map(\.name))
    func runs(name: String) throws {
        let benchmark = try #require(Benchmark.all.first { $0.name == name })
        let prepared = benchmark.prepare()
        prepared.run(1)
        prepared.run(2)
        #expect(prepared.bytes >= 0)
        #expect(!benchmark.summary.isEmpty)
    }

    @Test("Each has a name of its own, and covers what it is for")
    func names() {
        let names = Benchmark.all.map(\.name)
        #expect(Set(names).count == names.count)
        for part in ["wire.", "block.", "lz4.", "json.", "binary.", "placement.", "audience.", "writer."] {
            #expect(names.contains { $0.hasPrefix(part) }, "\(part)")
        }
    }

    @Test("Measuring divides by the operations that were run, and counts what it was given to count with")
    func measuring() {
        let operations = Mutex(0)
        let benchmark = Benchmark("test.sum", "a sum") {
            Benchmark.Case(bytes: 8) { count in
                for index in 0..<count { keep(index &* 31) }
                operations.withLock { $0 += count }
            }
        }
        let counters = Counters(
            allocations: { operations.withLock { (UInt64($0) * 3, UInt64($0) * 48) } },
            instructions: { operations.withLock { UInt64($0) * 7 } }
        )
        let measurement = Measurer(seconds: 0.001, counters: counters).measure(benchmark)
        #expect(measurement.name == "test.sum")
        #expect(measurement.nanoseconds > 0)
        #expect(measurement.bytes == 8)
        #expect(measurement.repetitions == Measurer.repetitions)
        #expect(measurement.allocations == 3)
        #expect(measurement.allocatedBytes == 48)
        #expect(measurement.instructions == 7)
        let uncounted = Measurer(seconds: 0.001, counters: Counters()).measure(benchmark)
        #expect(uncounted.allocations == nil && uncounted.allocatedBytes == nil && uncounted.instructions == nil)
    }
}

@Suite("The storage path by itself", .serialized)
struct StorageBenchmarkTests {
    private static func databases(_ server: PostgresServer) throws -> [[String]] {
        try server.query("SELECT datname FROM pg_database WHERE datname LIKE 'trunkline_micro%'", database: "postgres")
    }

    @Test("All three ways store rows in a database that is gone afterwards", arguments: [(512, 16), (3, 16)])
    func runs(batch: Int, conversations: Int) async throws {
        try await onThread {
            let server = try PostgresServer()
            let settings = StorageSettings(
                connection: server.connectionString(database: "postgres"),
                connections: 2,
                batch: batch,
                conversations: conversations,
                seconds: 0.3,
                warmUpSeconds: 0.1,
                rounds: 2
            )
            let told = Mutex<[StorageWay]>([])
            let result = try StorageBenchmark.run(settings) { way, rows in
                #expect(rows > 0)
                told.withLock { $0.append(way) }
            }
            #expect(told.withLock { $0 } == [.bare, .session, .router, .router, .session, .bare])
            #expect(result.bareRows > 0 && result.sessionRows > 0 && result.routerRows > 0)
            #expect(result.routerBatch > 0 && result.routerBatch <= Double(batch))
            #expect(try Self.databases(server).isEmpty)
        }
    }

    @Test("Without a server it says what to give it")
    func unreachable() async throws {
        try await onThread {
            let settings = StorageSettings(connection: "host=127.0.0.1 port=1 dbname=postgres")
            let error = #expect(throws: StorageBenchmarkError.self) { try StorageBenchmark.run(settings) }
            #expect(error?.description.contains("--postgres") == true)
        }
    }
}
