// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A private Postgres for tests, on a free port of loopback, in a folder of its own that goes with it.
///
/// A server belongs to whoever holds the object. A watchdog process waits for the end of a pipe that only the test
/// process holds open, so the server also ends, and its folder goes, when the tests are killed. All calls block and
/// may come from any thread.
package final class PostgresServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String

        package init(_ description: String) {
            self.description = description
        }
    }

    /// Whether a commit waits for the disk. Killing the server loses nothing either way, only a power cut would.
    package enum Durability: Sendable {
        case fsync
        case withoutFsync
    }

    package enum StopMode: String, Sendable {
        /// Lets running statements be rolled back and writes a checkpoint.
        case fast
        /// Ends every process at once, as a crash would; the next start recovers from the log.
        case immediate
    }

    private struct State {
        /// The watchdog and the end of its pipe, while the server runs.
        var watchdog: (process: pid_t, pipe: Int32)?
    }

    package let port: UInt16
    /// Where the data lies, when it is a disk of its own.
    package let disk: SmallDisk?
    private let folder: String
    private let durability: Durability
    private let options: [String]
    private let state = Mutex(State())

    static let binaries = "/usr/lib/postgresql/15/bin"
    static let user = "postgres"
    private static let startSecondsMax = 30

    private static let sharedServer = Result { try PostgresServer() }

    /// One server for all tests that only need a database of their own and leave the server alone.
    package static func shared() throws -> PostgresServer {
        try Self.sharedServer.get()
    }

    /// Makes a new database cluster and starts it.
    ///
    /// - Parameters:
    ///   - port: where to listen; nil for any that is free.
    ///   - settings: further ones, as `name=value`; they hold for every start.
    ///   - disk: where the data lies; nil for the disk of the system.
    package convenience init(
        durability: Durability = .withoutFsync,
        port: UInt16? = nil,
        settings: [String] = [],
        disk: SmallDisk? = nil
    ) throws {
        try self.init(durability, port, settings, disk)
        try Self.run([
            Self.binaries + "/initdb", "--pgdata", self.folder + "/data", "--username", Self.user,
            "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync",
        ])
        try self.start()
    }

    /// Makes a copy of a running server that follows it by streaming, under a name that the other may wait for as a
    /// synchronous standby, and starts it.
    package convenience init(
        replicaOf primary: PostgresServer,
        named name: String,
        port: UInt16? = nil,
        settings: [String] = [],
        disk: SmallDisk? = nil
    ) throws {
        try self.init(primary.durability, port, settings, disk)
        let source = "host=127.0.0.1 port=\(primary.port) user=\(Self.user) application_name=\(name)"
        try Self.run([
            Self.binaries + "/pg_basebackup", "--pgdata", self.folder + "/data", "--dbname", source,
            "--checkpoint", "fast", "--wal-method", "stream", "--write-recovery-conf", "--no-sync", "--no-password",
        ])
        try self.start()
    }

    private init(_ durability: Durability, _ port: UInt16?, _ settings: [String], _ disk: SmallDisk?) throws {
        self.durability = durability
        self.options = settings.flatMap { ["-c", $0] }
        self.port = try port ?? Self.freePort()
        self.disk = disk
        self.folder = try Self.makeFolder(disk)
    }

    deinit {
        if let watchdog = self.state.withLock({ $0.watchdog }) {
            // The end of the pipe is what makes the watchdog stop the server and remove the folder.
            close(watchdog.pipe)
            Self.wait(for: watchdog.process)
        } else {
            try? Self.run(["/bin/rm", "-rf", self.folder])
        }
    }

    /// A libpq connection string.
    package func connectionString(database: String) -> String {
        "host=127.0.0.1 port=\(self.port) user=\(Self.user) dbname=\(database)"
    }

    /// Makes a database; the name is of lower-case letters, digits and `_`.
    package func createDatabase(_ name: String, template: String = "template0") throws {
        try self.run(sql: "CREATE DATABASE \(name) TEMPLATE \(template)", database: "postgres")
    }

    /// Runs SQL through `psql`, as a person at the console would.
    package func run(sql: String, database: String) throws {
        try Self.run([
            Self.binaries + "/psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
            "--dbname", self.connectionString(database: database), "--command", sql,
        ])
    }

    package func restart(_ mode: StopMode = .fast) throws {
        try self.stop(mode)
        try self.start()
    }

    /// Starts the server on its port and waits until it takes connections.
    package func start() throws {
        let ends = try Self.makePipe()
        let fsync = self.durability == .fsync ? "on" : "off"
        let watchdog = try Self.spawn(
            ["/bin/sh", "-c", Self.watchdogScript, "watchdog", Self.binaries, self.folder, "\(self.port)", fsync]
                + self.options,
            standardInput: ends.reading
        )
        close(ends.reading)
        self.state.withLock { $0.watchdog = (watchdog, ends.writing) }
        let deadline = ContinuousClock.now + .seconds(Self.startSecondsMax)
        let probe = [Self.binaries + "/pg_isready", "--quiet", "--host", "127.0.0.1", "--port", "\(self.port)"]
        while true {
            if (try? Self.run(probe)) != nil { return }
            guard ContinuousClock.now < deadline else {
                throw Failure("Postgres did not start; see \(self.folder)/log")
            }
            usleep(20_000)
        }
    }

    /// Stops the server and waits until it is gone; its data stays for ``start()``.
    package func stop(_ mode: StopMode) throws {
        guard let watchdog = self.state.withLock({ state in state.watchdog }) else { return }
        try Self.run([
            Self.binaries + "/pg_ctl", "stop", "--silent", "--wait", "--pgdata", self.folder + "/data", "--mode",
            mode.rawValue,
        ])
        self.endWatchdog(watchdog)
    }

    /// Starts the server if it ended by itself. Returns whether it had.
    @discardableResult
    package func revive() throws -> Bool {
        guard let watchdog = self.state.withLock({ $0.watchdog }), !self.isRunning else { return false }
        self.endWatchdog(watchdog)
        try self.start()
        return true
    }

    /// Whether there is a process, whatever it is able to do.
    private var isRunning: Bool {
        (try? Self.run([Self.binaries + "/pg_ctl", "status", "--pgdata", self.folder + "/data"])) != nil
    }

    /// Makes a replica take writes, and waits until it does. It follows nobody from then on.
    package func promote() throws {
        try Self.run([Self.binaries + "/pg_ctl", "promote", "--silent", "--wait", "--pgdata", self.folder + "/data"])
    }

    private func endWatchdog(_ watchdog: (process: pid_t, pipe: Int32)) {
        self.state.withLock { $0.watchdog = nil }
        _ = "stopped\n".withCString { send(watchdog.pipe, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
        close(watchdog.pipe)
        Self.wait(for: watchdog.process)
    }

    // MARK: -

    /// A line means that the server was stopped on purpose; the end of the pipe that the tests are gone.
    private static let watchdogScript = """
        binaries=$1 folder=$2 port=$3 fsync=$4
        shift 4
        "$binaries/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
            -c fsync="$fsync" -c shared_buffers=32MB -c max_connections=64 -c max_wal_size=256MB "$@" \
            >>"$folder/log" 2>&1 &
        server=$!
        if ! read -r line; then
            kill -QUIT "$server" 2>/dev/null
            wait "$server"
            rm -rf "$folder"
        fi
        """

    /// Postgres does not run as root; then everything is done as the user that its package made.
    private static func asServerUser(_ arguments: [String]) -> [String] {
        getuid() == 0 ? ["/usr/sbin/runuser", "-u", Self.user, "--"] + arguments : arguments
    }

    private static func makeFolder(_ disk: SmallDisk?) throws -> String {
        let parent = disk?.path ?? "/tmp"
        var template = Array("\(parent)/trunkline-postgres-XXXXXX".utf8CString)
        let path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let path else { throw Failure("no folder could be made: errno \(errno)") }
        if getuid() == 0 {
            guard let entry = getpwnam(Self.user), chown(path, entry.pointee.pw_uid, entry.pointee.pw_gid) == 0 else {
                throw Failure("there is no user \(Self.user) to run Postgres as")
            }
        }
        return path
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard bound else { throw Failure("no free port: errno \(errno)") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// A pair of connected sockets, closed on exec: the watchdog gets a copy of one, and no other child, not even one
    /// that is started at the same moment, holds the other open.
    private static func makePipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Failure("no pipe: errno \(errno)") }
        return (ends[0], ends[1])
    }

    static func spawn(
        _ arguments: [String],
        standardInput: Int32?,
        standardOutput: String = "/dev/null"
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let standardInput {
            posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, standardOutput, O_WRONLY, 0)
        // A thread of a pool blocks signals, and a shell that inherits that never hears of its children's end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var noSignals = sigset_t()
        sigemptyset(&noSignals)
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let command = Self.asServerUser(arguments)
        var strings = command.map { strdup($0) } + [nil]
        defer { strings.forEach { free($0) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, command[0], &actions, &attributes, &strings, environ)
        guard status == 0 else { throw Failure("\(command[0]) could not be started: errno \(status)") }
        return process
    }

    static func run(_ arguments: [String]) throws {
        let process = try Self.spawn(arguments, standardInput: nil)
        let status = Self.wait(for: process)
        guard status == 0 else { throw Failure("\(arguments[0]) ended with status \(status)") }
    }

    @discardableResult
    static func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
