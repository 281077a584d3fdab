// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A program under test that never outlives the tests: a small shell beside it waits for the end of a connection that
/// only the test process holds open, and then kills it.
///
/// Signals go to the program itself. Its output goes to a file. All calls may come from any thread.
package final class GuardedProcess: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private struct Life {
        var shell: pid_t
        /// Our end of the shell's connection.
        var descriptor: Int32
        var status: Int32?
    }

    package let process: pid_t
    package let output: String
    private let life: Mutex<Life>

    /// - Parameter output: the file that standard output and standard error are appended to.
    package init(_ arguments: [String], environment: [String: String], output: String) throws {
        let ends = try Self.makeConnection()
        let shell = try Self.spawn(
            ["/bin/sh", "-c", Self.script, "guard", output] + arguments,
            environment: environment,
            standardInput: ends.theirs
        )
        close(ends.theirs)
        guard let process = Self.readLine(ends.ours).flatMap({ pid_t($0) }) else {
            close(ends.ours)
            throw Failure(description: "\(arguments.first ?? "") could not be started")
        }
        self.process = process
        self.output = output
        self.life = Mutex(Life(shell: shell, descriptor: ends.ours, status: nil))
    }

    deinit {
        let (shell, descriptor, status) = self.life.withLock { ($0.shell, $0.descriptor, $0.status) }
        close(descriptor)
        if status == nil {
            var status: Int32 = 0
            while waitpid(shell, &status, 0) < 0, errno == EINTR {}
        }
    }

    package func signal(_ number: Int32) {
        if self.exitStatus == nil {
            kill(self.process, number)
        }
    }

    /// As a shell has it: the exit code, or 128 and the signal that ended it. Nil while it runs.
    package var exitStatus: Int32? {
        self.life.withLock { life in
            if let status = life.status { return status }
            var status: Int32 = 0
            guard waitpid(life.shell, &status, WNOHANG) == life.shell else { return nil }
            life.status = (status >> 8) & 0xFF
            return life.status
        }
    }

    /// What the program wrote so far.
    package var text: String {
        guard let file = fopen(self.output, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: -

    /// Tells the program's process id; ends with its status; kills it when the connection ends first. What a shell puts
    /// into the background loses its standard input, so the connection is kept under another number.
    private static let script = """
        exec 3<&0 2>/dev/null
        output=$1
        shift
        "$@" </dev/null >>"$output" 2>&1 3<&- &
        program=$!
        echo "$program" >&3
        { read -r line <&3; kill -KILL "$program"; } 2>/dev/null &
        reader=$!
        wait "$program"
        status=$?
        kill "$reader" 2>/dev/null
        exit "$status"
        """

    private static func makeConnection() throws -> (ours: Int32, theirs: Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw Failure(description: "no connection to the guard: errno \(errno)")
        }
        return (ends[0], ends[1])
    }

    private static func readLine(_ descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
    }

    private static func spawn(
        _ arguments: [String],
        environment: [String: String],
        standardInput: Int32
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
        // The threads of the cooperative pool block most signals, and a child inherits that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var strings = arguments.map { strdup($0) } + [nil]
        defer { strings.forEach { free($0) } }
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { variables.forEach { free($0) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, arguments[0], &actions, &attributes, &strings, &variables)
        guard status == 0 else { throw Failure(description: "\(arguments[0]) could not be started: errno \(status)") }
        return process
    }
}
