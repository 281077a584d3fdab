// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A file system in memory with little room, so that a test can fill it. Needs root.
///
/// It goes with the object, or, when the tests are killed, with a small shell that waits for the end of a connection that
/// only they hold open. All calls block and may come from any thread.
package final class SmallDisk: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package let path: String
    private let shell: pid_t
    /// Our end of the shell's connection.
    private let descriptor: Int32

    package init(mebibytes: Int) throws {
        guard getuid() == 0 else { throw Failure(description: "only root may mount a disk") }
        var template = Array("/tmp/trunkline-disk-XXXXXX".utf8CString)
        let path = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let path else { throw Failure(description: "no folder could be made: errno \(errno)") }
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=1777") == 0 else {
            let reason = errno
            rmdir(path)
            throw Failure(description: "a disk cannot be mounted: \(String(cString: strerror(reason)))")
        }
        self.path = path
        do {
            (self.shell, self.descriptor) = try Self.startShell(path)
        } catch {
            umount2(path, Int32(MNT_DETACH))
            rmdir(path)
            throw error
        }
    }

    deinit {
        close(self.descriptor)
        var status: Int32 = 0
        while waitpid(self.shell, &status, 0) < 0, errno == EINTR {}
    }

    /// Takes all the room there is.
    package func fill() throws {
        let descriptor = open(self.filler, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(description: "the disk cannot be filled: errno \(errno)") }
        defer { close(descriptor) }
        var size = 1 << 20
        let zeros = [UInt8](repeating: 0, count: size)
        // Ever smaller pieces, so that no room is left over.
        while size > 0 {
            if write(descriptor, zeros, size) < size { size /= 2 }
        }
    }

    /// Gives back what ``fill()`` took.
    package func free() {
        unlink(self.filler)
    }

    private var filler: String { self.path + "/filler" }

    private static func startShell(_ path: String) throws -> (pid_t, Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw Failure(description: "no connection to the shell: errno \(errno)")
        }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let script = "read -r line; umount -l \"$1\"; rmdir \"$1\""
        let arguments = ["/bin/sh", "-c", script, "disk", path]
        var strings = arguments.map { strdup($0) } + [nil]
        defer { strings.forEach { Glibc.free($0) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, arguments[0], &actions, nil, &strings, environ)
        guard status == 0 else {
            close(ends[0])
            throw Failure(description: "no shell could be started: errno \(status)")
        }
        return (process, ends[0])
    }
}
