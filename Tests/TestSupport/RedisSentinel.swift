// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A private sentinel for tests, on a free port of loopback, that watches one primary and fails over quickly. It ends with
/// the object, or with the tests. All calls block.
package final class RedisSentinel: Sendable {
    package static let primaryName = "the-primary"

    package let port: UInt16
    private let password: String?
    private let folder: String
    private let process: GuardedProcess

    /// Starts it, and waits until it has found the primary and one replica.
    ///
    /// - Parameter quorum: how many sentinels have to agree that the primary is away.
    package init(watching primary: RedisServer, quorum: Int = 1, password: String? = nil) throws {
        self.port = try TCPConnection.freePorts(1)[0]
        self.password = password
        var template = Array("/tmp/trunkline-sentinel-XXXXXX".utf8CString)
        let folder = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let folder else { throw RedisServer.Failure(description: "no folder could be made: errno \(errno)") }
        self.folder = folder
        let name = Self.primaryName
        var lines = [
            "port \(self.port)", "bind 127.0.0.1", "dir \(folder)",
            "sentinel monitor \(name) 127.0.0.1 \(primary.port) \(quorum)",
            "sentinel down-after-milliseconds \(name) 300",
            // Also how soon a fail-over that did not succeed is tried again.
            "sentinel failover-timeout \(name) 1000",
        ]
        if let password { lines.append("requirepass \(password)") }
        if let password = primary.password { lines.append("sentinel auth-pass \(name) \(password)") }
        // Sentinel writes what it finds out into its file.
        let file = folder + "/sentinel.conf"
        try Self.write(lines.joined(separator: "\n") + "\n", to: file)
        self.process = try GuardedProcess(
            ["/usr/bin/redis-server", file, "--sentinel"],
            environment: ["PATH": "/usr/bin:/bin"],
            output: folder + "/log"
        )
        try RedisServer.poll("the sentinel does not find a replica; see \(folder)/log") {
            (try? self.command("SENTINEL REPLICAS \(name)")) == "*1"
        }
    }

    deinit {
        self.process.signal(SIGKILL)
        for name in ["sentinel.conf", "log"] { unlink("\(self.folder)/\(name)") }
        rmdir(self.folder)
    }

    /// Ends it as a crash would.
    package func kill() throws {
        self.process.signal(SIGKILL)
        try RedisServer.poll("the sentinel did not end") { self.process.exitStatus != nil }
    }

    /// Sends one command. Returns the first line of the answer.
    package func command(_ line: String) throws -> String {
        try RedisLine.command(line, port: self.port, password: self.password)
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else {
            throw RedisServer.Failure(description: "no file could be written: errno \(errno)")
        }
        defer { fclose(file) }
        fputs(text, file)
    }
}
