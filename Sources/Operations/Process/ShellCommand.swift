// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A command of an operator's, carried out by `/bin/sh` with the output of this process and nothing to read.
package enum ShellCommand {
    /// Runs it to its end.
    ///
    /// - Returns: its exit status as a shell has it: the code, or 128 and the signal that ended it.
    package static func run(_ text: String) async throws(OperationsError) -> Int32 {
        let status = await onOwnThread(named: "command") { Self.runBlocking(text) }
        guard let status else {
            throw OperationsError("the system has no thread left", remedy: "end other programs")
        }
        return try status.get()
    }

    private static func runBlocking(_ text: String) -> Result<Int32, OperationsError> {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        // What this process ignores or blocks is no business of the command's.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var strings: [UnsafeMutablePointer<CChar>?] = ["sh", "-c", text].map { strdup($0 as String) } + [nil]
        defer { for string in strings { free(string) } }
        var variables: [UnsafeMutablePointer<CChar>?] =
            ProcessInfo.processInfo.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for variable in variables { free(variable) } }
        var process: pid_t = 0
        let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, &strings, &variables)
        guard failure == 0 else {
            return .failure(
                OperationsError("/bin/sh could not be started: errno \(failure)", remedy: "end other programs")
            )
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else {
                return .failure(
                    OperationsError("the command's end is not known: errno \(errno)", remedy: "see what it has done")
                )
            }
        }
        return .success(status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F))
    }
}
