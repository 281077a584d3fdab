// SPDX-License-Identifier: Apache-2.0

import Glibc
import Postgres
import TestSupport
import Testing

@Suite("Postgres connection when things fail")
struct PostgresFailureTests {
    private func connection(
        _ connectionString: String,
        statementTimeout: Duration = .seconds(20)
    ) -> PostgresConnection {
        PostgresConnection(.test(connectionString, statementTimeout: statementTimeout))
    }

    @Test("nobody listens: cannot connect, and nothing was applied")
    func refused() {
        let connection = self.connection("host=127.0.0.1 port=1 user=nobody dbname=nothing")
        #expect {
            try connection.connect(deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .cannotConnect && !error.mayHaveBeenApplied
        }
        #expect(!connection.isConnected)
        #expect {
            try connection.execute("SELECT 1", deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .connectionLost && !error.mayHaveBeenApplied
        }
    }

    @Test("a string that libpq cannot read is refused")
    func nonsense() {
        #expect {
            try self.connection("hots=127.0.0.1").connect(deadline: .soon)
        } throws: { ($0 as? PostgresError)?.code == .cannotConnect }
    }

    @Test("the first host is away: the next one of the string is taken")
    func severalHosts() throws {
        let port = try PostgresServer.shared().port
        let connection = self.connection(
            "postgresql://postgres@127.0.0.1:1,127.0.0.1:\(port)/postgres?target_session_attrs=read-write"
        )
        try connection.connect(deadline: .soon)
        #expect(try connection.execute("SELECT 1", deadline: .soon).rowCount == 1)
    }

    @Test("the first host does not answer at all: the next one is taken after the network timeout")
    func silentHost() throws {
        let silent = try SilentListener()
        let port = try PostgresServer.shared().port
        let connection = self.connection(
            "postgresql://postgres@127.0.0.1:\(silent.port),127.0.0.1:\(port)/postgres"
        )
        try connection.connect(deadline: .soon)
        #expect(try connection.execute("SELECT 1", deadline: .soon).rowCount == 1)
    }

    @Test("the first host accepts and then says nothing: an attempt that begins with the next one succeeds")
    func muteHost() throws {
        let mute = try SilentListener(accepting: true)
        let port = try PostgresServer.shared().port
        for string in [
            "host=127.0.0.1,127.0.0.1 port=\(mute.port),\(port) user=postgres dbname=postgres",
            "postgresql://postgres@127.0.0.1:\(mute.port),127.0.0.1:\(port)/postgres",
        ] {
            let connection = self.connection(string)
            #expect {
                try connection.connect(deadline: .now + .milliseconds(300))
            } throws: { ($0 as? PostgresError)?.code == .cannotConnect }
            // Counted around.
            try connection.connect(firstHost: 3, deadline: .soon)
            #expect(try connection.execute("SELECT 1", deadline: .soon).rowCount == 1)
        }
    }

    @Test("a server that accepts and then says nothing: the deadline holds")
    func connectDeadline() throws {
        let mute = try SilentListener(accepting: true)
        let connection = self.connection("host=127.0.0.1 port=\(mute.port) user=nobody dbname=nothing")
        let started = ContinuousClock.now
        #expect {
            try connection.connect(deadline: .now + .milliseconds(300))
        } throws: { ($0 as? PostgresError)?.code == .cannotConnect }
        #expect(ContinuousClock.now - started < .seconds(10))
    }

    @Test("the deadline passes: closed, outcome unknown, and the next connection works")
    func deadline() throws {
        let connection = try self.connection(PostgresServer.shared().connectionString(database: "postgres"))
        try connection.connect(deadline: .soon)
        let started = ContinuousClock.now
        #expect {
            try connection.execute("SELECT pg_sleep(30)", deadline: .now + .milliseconds(200))
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .deadlineExceeded && error.mayHaveBeenApplied
        }
        #expect(ContinuousClock.now - started >= .milliseconds(200))
        #expect(!connection.isConnected)
        try connection.connect(deadline: .soon)
        #expect(try connection.execute("SELECT 1", deadline: .soon).rowCount == 1)
    }

    @Test("the server's own timeout comes first: certainly not applied, and the connection goes on")
    func statementTimeout() throws {
        let connection = try self.connection(
            PostgresServer.shared().connectionString(database: "postgres"),
            statementTimeout: .milliseconds(100)
        )
        try connection.connect(deadline: .soon)
        #expect {
            try connection.execute("SELECT pg_sleep(30)", deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .server(sqlState: "57014") && !error.mayHaveBeenApplied
        }
        #expect(connection.isConnected)
    }

    @Test("the server dies and comes back", arguments: [PostgresServer.StopMode.fast, .immediate])
    func serverDies(mode: PostgresServer.StopMode) throws {
        let server = try PostgresServer()
        let connection = self.connection(server.connectionString(database: "postgres"))
        try connection.connect(deadline: .soon)
        try connection.run(script: "CREATE TABLE kept (id int)", deadline: .soon)
        try server.stop(mode)
        connection.checkIdle()
        #expect(!connection.isConnected, "the end of the stream is noticed before anything is sent")
        #expect {
            try connection.connect(deadline: .soon)
        } throws: { ($0 as? PostgresError)?.code == .cannotConnect }
        try server.start()
        try connection.connect(deadline: .soon)
        #expect(try connection.execute("SELECT id FROM kept", deadline: .soon).rowCount == 0)
    }

    @Test("the server process of a running statement is killed: lost, outcome unknown")
    func killedWhileRunning() throws {
        let text = try PostgresServer.shared().connectionString(database: "postgres")
        let victim = self.connection(text)
        try victim.connect(deadline: .soon)
        #expect {
            try victim.execute("SELECT pg_terminate_backend(pg_backend_pid())", deadline: .soon)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.code == .connectionLost && error.mayHaveBeenApplied
        }
        #expect(!victim.isConnected)
    }
}

/// A port that takes no new connection, because its queue is full, or that takes them and never says a word.
private final class SilentListener {
    struct CannotListen: Error {}

    let port: UInt16
    private var descriptors: [Int32] = []

    init(accepting: Bool = false) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptors = [listener]
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, accepting ? 16 : 0) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        self.port = UInt16(bigEndian: address.sin_port)
        guard listening else { throw CannotListen() }
        // With a backlog of 0 Linux keeps one connection that nobody accepted; further attempts get no answer.
        for _ in 0..<(accepting ? 0 : 4) {
            let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            self.descriptors.append(filler)
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(filler, $0, length) }
            }
        }
    }

    deinit {
        for descriptor in self.descriptors { close(descriptor) }
    }
}
