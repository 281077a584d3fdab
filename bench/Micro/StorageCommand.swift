// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MicroModel

/// From a router's queues to Postgres, without mesh and clients.
struct StorageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage",
        abstract: "Rows per second through a router's storage path, by those of a bare loop over libpq.",
        discussion: """
            Three ways take turns on one server: a bare loop in C with the router's statement; the router's storage \
            without queue and writer; the router's writers with their queues. Each with the same number of connections \
            and the same batches, in a database that is made for it and removed afterwards.

            With a cluster that scripts/up started: source .state/environment, then run it. Elsewhere PGPASSFILE or \
            the connection string says the password.
            """
    )

    @Option(
        help: ArgumentHelp(
            "A connection string or URI of libpq whose user may make databases.",
            valueName: "connection"
        )
    )
    var postgres = "host=127.0.0.1 port=5441 dbname=trunkline user=trunkline"

    @Option(help: "Connections, each with a thread of its own.")
    var connections = 2

    @Option(help: "Messages of one transaction.")
    var batch = 512

    @Option(help: "Conversations of each connection.")
    var conversations = 256

    @Option(help: "Bytes of a message's body.")
    var bodyBytes = 120

    @Option(help: "Time for each measurement.")
    var seconds = 3.0

    @Option(help: "Measurements of each way.")
    var rounds = 5

    @Option(help: ArgumentHelp("Write everything to this file as JSON; - is standard output.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard (1...64).contains(self.connections) else { throw ValidationError("--connections is 1 to 64.") }
        guard (1...10_000).contains(self.batch) else { throw ValidationError("--batch is 1 to 10000.") }
        guard (1...10_000).contains(self.conversations) else {
            throw ValidationError("--conversations is 1 to 10000.")
        }
        guard (1...65_536).contains(self.bodyBytes) else { throw ValidationError("--body-bytes is 1 to 65536.") }
        guard self.seconds > 0, self.seconds <= 3600 else {
            throw ValidationError("--seconds is a number above 0, at most 3600.")
        }
        guard (1...100).contains(self.rounds) else { throw ValidationError("--rounds is 1 to 100.") }
    }

    func run() throws {
        let settings = StorageSettings(
            connection: self.postgres,
            connections: self.connections,
            batch: self.batch,
            conversations: self.conversations,
            bodyBytes: self.bodyBytes,
            seconds: self.seconds,
            rounds: self.rounds
        )
        let result: StorageResult
        do throws(StorageBenchmarkError) {
            result = try StorageBenchmark.run(settings) { way, rows in
                Output.table("\(way.rawValue): \(MicroTable.number(rows)) rows/s")
            }
        } catch {
            Output.note("\(error)")
            throw ExitCode.failure
        }
        Output.table("")
        Output.table("bare loop        \(MicroTable.number(result.bareRows)) rows/s")
        Output.table(
            "storage alone    \(MicroTable.number(result.sessionRows)) rows/s, \(MicroTable.percent(result.sessionByBare))"
        )
        Output.table(
            "router's writers \(MicroTable.number(result.routerRows)) rows/s, \(MicroTable.percent(result.routerByBare)), "
                + "\(MicroTable.number(result.routerBatch)) messages in a transaction"
        )
        Output.table("each by the bare loop of its round; spread \(MicroTable.percent(result.spread))")
        if let file = self.json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            try Output.write(encoder.encode(result), to: file)
        }
    }
}
