// SPDX-License-Identifier: Apache-2.0

import Glibc

extension PostgresServer {
    /// The rows of a query as text, asked through `psql`: by a program that shares nothing with the one under test.
    /// Fields must not hold tabs or line ends. Blocks.
    ///
    /// - Parameter timeoutSeconds: when the server is told to give up.
    package func query(_ sql: String, database: String, timeoutSeconds: Int = 30) throws -> [[String]] {
        let output = try Self.makeOutput()
        defer { unlink(output) }
        let connection = self.connectionString(database: database) + " connect_timeout=5"
        let process = try Self.spawn(
            [
                Self.binaries + "/psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--field-separator",
                "\t", "--set", "ON_ERROR_STOP=1", "--dbname", connection,
                "--command", "SET statement_timeout = '\(timeoutSeconds)s'", "--command", sql,
            ],
            standardInput: nil,
            standardOutput: output
        )
        let status = Self.wait(for: process)
        guard status == 0 else { throw Failure("psql ended with status \(status) on port \(self.port)") }
        guard let file = fopen(output, "r") else { throw Failure("psql wrote nothing: errno \(errno)") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// A file that the user who runs `psql` may write to.
    private static func makeOutput() throws -> String {
        var template = Array("/tmp/trunkline-query-XXXXXX".utf8CString)
        let descriptor = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map { mkstemp($0) } }
        guard let descriptor, descriptor >= 0 else { throw Failure("no file could be made: errno \(errno)") }
        if getuid() == 0, let entry = getpwnam(Self.user) { fchown(descriptor, entry.pointee.pw_uid, gid_t.max) }
        close(descriptor)
        return template.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
}
