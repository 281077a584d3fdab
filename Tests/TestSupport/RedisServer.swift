// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A private Redis for tests, on a free port of loopback, in a folder of its own that goes with it.
///
/// A server belongs to whoever holds the object. A watchdog process waits for the end of a connection that only the
/// test process holds open, so the server also ends, and its folder goes, when the tests are killed. All calls block
/// and may come from any thread. It writes no dump unless ``save()`` says so, so every start is an empty one.
package final class RedisServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private struct Life {
        var watchdog: pid_t
        /// The end of the watchdog's connection.
        var descriptor: Int32
        var server: pid_t
    }

    package let port: UInt16
    let password: String?
    private let options: [String]
    private let folder: String
    private let life = Mutex<Life?>(nil)

    private static let binary = "/usr/bin/redis-server"
    private static let waitMax: Duration = .seconds(20)

    /// Starts a server and waits until it answers.
    ///
    /// - Parameters:
    ///   - port: where to listen; nil for any that is free.
    ///   - options: further ones of `redis-server`; they hold for every start.
    package init(password: String? = nil, port: UInt16? = nil, options: [String] = []) throws {
        self.password = password
        self.options = options
        self.port = try port ?? Self.freePort()
        self.folder = try Self.makeFolder()
        try self.start()
    }

    deinit {
        if let life = self.life.withLock({ $0 }) {
            close(life.descriptor)
            Self.wait(for: life.watchdog)
        } else if let process = try? Self.spawn(["/bin/rm", "-rf", self.folder], standardInput: nil) {
            Self.wait(for: process)
        }
    }

    package var url: String { "redis://127.0.0.1:\(self.port)" }

    // MARK: - Life

    package func start() throws {
        let ends = try Self.makeConnection()
        let watchdog = try Self.spawn(
            [
                "/bin/sh", "-c", Self.watchdogScript, "watchdog", self.folder, Self.binary, "--port", "\(self.port)",
                "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder, "--databases", "16",
                // By default a replica waits for others that may want the same copy.
                "--repl-diskless-sync-delay", "0",
            ] + (self.password.map { ["--requirepass", $0] } ?? []) + self.options,
            standardInput: ends.theirs
        )
        close(ends.theirs)
        guard let server = RedisLine.readLine(ends.ours).flatMap({ pid_t($0) }) else {
            close(ends.ours)
            throw Failure(description: "the watchdog of Redis did not start")
        }
        self.life.withLock { $0 = Life(watchdog: watchdog, descriptor: ends.ours, server: server) }
        try Self.poll("Redis did not start; see \(self.folder)/log") {
            (try? self.command("PING")) == "+PONG"
        }
    }

    /// Ends the server as `systemctl stop` would.
    package func stop() throws {
        try self.resume()
        try self.signal(SIGTERM)
        try Self.poll("Redis did not stop") { (try? self.command("PING")) == nil }
        self.endWatchdog()
    }

    /// Ends the server as a crash would.
    package func kill() throws {
        try self.signal(SIGKILL)
        self.endWatchdog()
    }

    /// Crashes the server and starts it again, on the same port.
    package func restart() throws {
        try self.kill()
        try self.start()
    }

    /// Freezes the server: it keeps its connections and answers nothing.
    package func pause() throws {
        try self.signal(SIGSTOP)
    }

    package func resume() throws {
        try self.signal(SIGCONT)
    }

    // MARK: - Data

    package func flushAll() throws {
        try self.expect("+OK", "FLUSHALL")
    }

    /// Writes a dump, which the next start reads.
    package func save() throws {
        try self.expect("+OK", "SAVE")
    }

    /// Sends one command, its words apart by spaces, on a connection of its own. Returns the first line of the answer.
    package func command(_ line: String) throws -> String {
        try RedisLine.command(line, port: self.port, password: self.password)
    }

    // MARK: -

    /// Tells the server's process id, then waits. A line means that the server was ended on purpose and its folder
    /// stays; the end of the connection means that the tests are gone.
    private static let watchdogScript = """
        folder=$1
        shift
        "$@" </dev/null >>"$folder/log" 2>&1 &
        server=$!
        echo "$server" >&0
        read -r line
        gone=$?
        kill -KILL "$server" 2>/dev/null
        wait "$server"
        if [ "$gone" -ne 0 ]; then rm -rf "$folder"; fi
        """

    func expect(_ answer: String, _ line: String) throws {
        let actual = try self.command(line)
        guard actual == answer else { throw Failure(description: "\(line) was answered with \(actual)") }
    }

    private func signal(_ number: Int32) throws {
        guard let life = self.life.withLock({ $0 }) else { throw Failure(description: "Redis is not running") }
        guard Glibc.kill(life.server, number) == 0 else {
            throw Failure(description: "signal \(number) could not be sent: errno \(errno)")
        }
    }

    private func endWatchdog() {
        let ended = self.life.withLock { life in
            defer { life = nil }
            return life
        }
        guard let ended else { return }
        _ = "keep\n".withCString { send(ended.descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
        close(ended.descriptor)
        Self.wait(for: ended.watchdog)
    }

    static func poll(_ failure: String, _ condition: () -> Bool) throws {
        let deadline = ContinuousClock.now + Self.waitMax
        while !condition() {
            guard ContinuousClock.now < deadline else { throw Failure(description: failure) }
            usleep(5000)
        }
    }

    private static func makeFolder() throws -> String {
        var template = Array("/tmp/trunkline-redis-XXXXXX".utf8CString)
        let path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let path else { throw Failure(description: "no folder could be made: errno \(errno)") }
        return path
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = RedisLine.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard bound else { throw Failure(description: "no free port: errno \(errno)") }
        return UInt16(bigEndian: address.sin_port)
    }

    /// A pair of connected sockets, closed on exec: the watchdog gets a copy of one, and no other child, not even one
    /// that is started at the same moment, holds the other open.
    private static func makeConnection() throws -> (ours: Int32, theirs: Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw Failure(description: "no connection to the watchdog: errno \(errno)")
        }
        return (ends[0], ends[1])
    }

    private static func spawn(_ arguments: [String], standardInput: Int32?) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let standardInput {
            posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // The threads of the cooperative pool block most signals and a child inherits that: the shell would wait for
        // its child in vain, and the server would not hear SIGTERM.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var strings = arguments.map { strdup($0) } + [nil]
        defer { strings.forEach { free($0) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, arguments[0], &actions, &attributes, &strings, environ)
        guard status == 0 else { throw Failure(description: "\(arguments[0]) could not be started: errno \(status)") }
        return process
    }

    private static func wait(for process: pid_t) {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }
}
