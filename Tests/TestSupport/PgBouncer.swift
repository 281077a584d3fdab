// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A pooler in front of a Postgres of the tests, that hands out a server for one transaction at a time.
package final class PgBouncer: Sendable {
    private static let program = "/usr/sbin/pgbouncer"

    private let folder: String
    private let process: GuardedProcess
    private let port: UInt16

    /// Starts it and waits until it takes connections. Blocks.
    package init(in front: PostgresServer) throws {
        var template = Array("/tmp/trunkline-pooler-XXXXXX".utf8CString)
        let folder = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let folder else { throw PostgresServer.Failure("no folder could be made: errno \(errno)") }
        self.folder = folder
        self.port = try TCPConnection.freePorts(1)[0]
        let settings = """
            [databases]
            * = host=127.0.0.1 port=\(front.port) user=\(PostgresServer.user)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(self.port)
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction

            """
        let path = folder + "/pgbouncer.ini"
        guard let file = fopen(path, "w") else { throw PostgresServer.Failure("\(path): errno \(errno)") }
        fputs(settings, file)
        fclose(file)
        // It does not run as root.
        chmod(folder, 0o755)
        let user = getuid() == 0 ? ["--user", PostgresServer.user] : []
        self.process = try GuardedProcess(
            [Self.program] + user + [path],
            environment: ["PATH": "/usr/bin:/bin"],
            output: folder + "/log"
        )
        let deadline = ContinuousClock.now + .seconds(20)
        while (try? TCPConnection(port: self.port)) == nil {
            guard ContinuousClock.now < deadline, self.process.exitStatus == nil else {
                throw PostgresServer.Failure("the pooler did not start: \(self.process.text)")
            }
            // To the next attempt: the pooler does not say when it listens.
            usleep(10_000)
        }
    }

    deinit {
        self.process.signal(SIGKILL)
        unlink(self.folder + "/pgbouncer.ini")
        unlink(self.folder + "/log")
        rmdir(self.folder)
    }

    /// A libpq connection string.
    package func connectionString(database: String) -> String {
        "host=127.0.0.1 port=\(self.port) user=\(PostgresServer.user) dbname=\(database)"
    }
}
