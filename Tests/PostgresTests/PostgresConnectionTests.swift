// SPDX-License-Identifier: Apache-2.0

import Postgres
import TestSupport
import Testing

@Suite("Postgres connection")
struct PostgresConnectionTests {
    let connection: PostgresConnection

    init() throws {
        self.connection = try PostgresConnection(
            .test(PostgresServer.shared().connectionString(database: "postgres"))
        )
        try self.connection.connect(deadline: .soon)
    }

    private func roundTrip(_ value: PostgresValue, as type: String) throws -> PostgresRow {
        try #require(self.connection.execute("SELECT $1::\(type)", [value], deadline: .soon).first)
    }

    @Test("values come back as they were sent")
    func values() throws {
        for value in [Int64.min, -1, 0, 1, .max] {
            var row = try self.roundTrip(.int8(value), as: "int8")
            #expect(try row.int8() == value)
        }
        for value in [Int16.min, 0, .max] {
            var row = try self.roundTrip(.int2(value), as: "int2")
            #expect(try row.int2() == value)
        }
        for value in [Int32.min, 0, .max] {
            var row = try self.roundTrip(.int4(value), as: "int4")
            #expect(try row.int4() == value)
        }
        for value in ["", "a", "Grüße 🌍", String(repeating: "x", count: 100_000)] {
            var row = try self.roundTrip(.text(value), as: "text")
            #expect(try row.text() == value)
        }
        for value in [[], [0], [UInt8](0...255)] {
            var row = try self.roundTrip(.bytea(value), as: "bytea")
            #expect(try row.bytea() == value)
        }
        for value in [UInt128.min, 1, .max] {
            var row = try self.roundTrip(.uuid(value), as: "uuid")
            #expect(try row.uuid() == value)
        }
        for value in [true, false] {
            var row = try self.roundTrip(.bool(value), as: "bool")
            #expect(try row.bool() == value)
        }
    }

    @Test("arrays come back as they were sent, empty ones too")
    func arrays() throws {
        for values in [[], [7], [Int16.min, 0, .max]] {
            var row = try self.roundTrip(.int2Array(values), as: "int2[]")
            #expect(try row.int2Array() == values)
        }
        for values in [[], [Int64.min, 0, .max]] {
            var row = try self.roundTrip(.int8Array(values), as: "int8[]")
            #expect(try row.int8Array() == values)
        }
        for values in [[], ["", "NULL", "{a,\"b\"}", "ü"]] {
            var row = try self.roundTrip(.textArray(values), as: "text[]")
            #expect(try row.textArray() == values)
        }
        for values in [[], [UInt128.max, 0, 42]] {
            var row = try self.roundTrip(.uuidArray(values), as: "uuid[]")
            #expect(try row.uuidArray() == values)
        }
        let result = try self.connection.execute(
            "SELECT unnest($1::bytea[])",
            [.byteaArray([[], [1, 2], [0]])],
            deadline: .soon
        )
        var found: [[UInt8]] = []
        for var row in result.rows { try found.append(row.bytea()) }
        #expect(found == [[], [1, 2], [0]])
    }

    @Test("the text form of a uuid is the one the server shows")
    func uuidByteOrder() throws {
        let value: UInt128 = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF
        var row = try #require(
            self.connection.execute("SELECT ($1::uuid)::text", [.uuid(value)], deadline: .soon).first
        )
        #expect(try row.text() == "00112233-4455-6677-8899-aabbccddeeff")
    }

    @Test("null is told apart from empty")
    func nulls() throws {
        var null = try self.roundTrip(.null(.text), as: "text")
        #expect(try null.optionalText() == nil)
        var empty = try self.roundTrip(.text(""), as: "text")
        #expect(try empty.optionalText() == "")
        var required = try self.roundTrip(.null(.int8), as: "int8")
        #expect(throws: PostgresError.self) { try required.int8() }
    }

    @Test("a column of another type, and one too many, are refused")
    func wrongType() throws {
        var row = try self.roundTrip(.int4(1), as: "int4")
        #expect { try row.int8() } throws: { ($0 as? PostgresError)?.code == .unexpectedAnswer }
        #expect(try row.int4() == 1)
        #expect { try row.int4() } throws: { ($0 as? PostgresError)?.code == .unexpectedAnswer }
    }

    @Test("arrays with nulls or of two dimensions are refused, not misread")
    func unusualArrays() throws {
        for expression in ["ARRAY[1, NULL]::int8[]", "ARRAY[[1, 2], [3, 4]]::int8[]"] {
            var row = try #require(self.connection.execute("SELECT \(expression)", deadline: .soon).first)
            #expect { try row.int8Array() } throws: { ($0 as? PostgresError)?.code == .unexpectedAnswer }
        }
    }

    @Test("the session is set up for durable, bounded work")
    func settings() throws {
        let expected = [
            ("synchronous_commit", "on"), ("application_name", "trunkline test"), ("statement_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "20s"), ("client_encoding", "UTF8"),
        ]
        for (name, value) in expected {
            var row = try #require(
                self.connection.execute("SELECT current_setting($1)", [.text(name)], deadline: .soon).first
            )
            #expect(try row.text() == value, "\(name)")
        }
    }

    @Test("after an error of the server the connection goes on, and the message holds no values")
    func serverErrors() throws {
        let setup = "CREATE TEMP TABLE secrets (word text PRIMARY KEY)"
        try self.connection.run(script: setup, deadline: .soon)
        let insert = "INSERT INTO secrets VALUES ($1)"
        try self.connection.execute(insert, [.text("rosebud")], deadline: .soon)
        #expect {
            try self.connection.execute(insert, [.text("rosebud")], deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .server(sqlState: "23505") && error.table == "secrets" && !error.mayHaveBeenApplied
                && !error.message.contains("rosebud")
        }
        #expect {
            try self.connection.execute("SELECT ($1::text)::uuid", [.text("rosebud")], deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .server(sqlState: "22P02") && !error.message.contains("rosebud")
        }
        #expect(throws: PostgresError.self) { try self.connection.execute("SELEC 1", deadline: .soon) }
        #expect(self.connection.isConnected)
        #expect(try self.connection.execute("SELECT 1", deadline: .soon).rowCount == 1)
    }

    @Test("more is sent and received than fits into any buffer on the way")
    func large() throws {
        let bytes = [UInt8](repeating: 0xA5, count: 24 * 1024 * 1024) + [1, 2, 3]
        var row = try self.roundTrip(.bytea(bytes), as: "bytea")
        let found = try row.bytea()
        #expect(found == bytes)
    }

    @Test("more statements than are kept prepared still run")
    func manyStatements() throws {
        for number in 0..<(PostgresConnection.preparedStatementsMax + 20) {
            var row = try #require(
                self.connection.execute("SELECT $1::int4 + \(number)", [.int4(1)], deadline: .soon).first
            )
            #expect(try row.int4() == Int32(number + 1))
        }
    }

    @Test("a transaction is known as one until it ends")
    func transactions() throws {
        #expect(!self.connection.isInTransaction)
        try self.connection.execute("BEGIN", deadline: .soon)
        #expect(self.connection.isInTransaction)
        #expect(throws: PostgresError.self) { try self.connection.execute("SELECT 1/0", deadline: .soon) }
        #expect(self.connection.isInTransaction)
        try self.connection.execute("ROLLBACK", deadline: .soon)
        #expect(!self.connection.isInTransaction)
    }
}

extension PostgresConnection.Configuration {
    static func test(_ connectionString: String, statementTimeout: Duration = .seconds(20)) -> Self {
        Self(
            connectionString: connectionString,
            applicationName: "trunkline test",
            statementTimeout: statementTimeout,
            idleInTransactionTimeout: .seconds(20)
        )
    }
}

extension ContinuousClock.Instant {
    /// Late enough for a busy machine, early enough for a test that hangs.
    static var soon: Self { .now + .seconds(20) }
}
