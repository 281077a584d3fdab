// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// Small files, read and written whole. Blocking: never on an event loop or in Swift's pool while a node runs.
package enum SmallFile {
    /// Bytes of one file; chains of certificates have a few thousand.
    package static let bytesMax = 1 << 20

    /// Why a file could not be read or written.
    package struct Problem: Error, Hashable, Sendable {
        package var message: String
        package var isMissing = false
        package var exists = false
    }

    /// What tells one content of a file from another without reading it.
    package struct Stamp: Hashable, Sendable {
        package var inode: UInt64
        package var bytes: Int
        /// Nanoseconds.
        package var modified: Int64

        package init(inode: UInt64, bytes: Int, modified: Int64) {
            self.inode = inode
            self.bytes = bytes
            self.modified = modified
        }
    }

    /// Nil when there is no such file, or it cannot be looked at. Follows symbolic links: what they point to counts.
    package static func stamp(of path: String) -> Stamp? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: String(cString: resolved)) else {
            return nil
        }
        let modified = (attributes[.modificationDate] as? Date)?.timeIntervalSinceReferenceDate ?? 0
        return Stamp(
            inode: Self.number(attributes[.systemFileNumber]),
            bytes: Int(clamping: Self.number(attributes[.size])),
            modified: Int64(modified * 1_000_000_000)
        )
    }

    private static func number(_ value: Any?) -> UInt64 {
        switch value {
        case let value as UInt64: value
        case let value as Int: UInt64(clamping: value)
        case let value as NSNumber: value.uint64Value
        default: 0
        }
    }

    package static func read(_ path: String) throws(Problem) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.problem(path, "read") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Self.problem(path, "read")
            }
            guard bytes.count + count <= Self.bytesMax else {
                throw Problem(message: "\(path) is larger than \(Self.bytesMax) bytes")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Writes a new file; with `replacing` one takes the place of what is there, at once and whole.
    ///
    /// - Parameter mode: its rights, whatever the process' mask is.
    package static func write(_ bytes: [UInt8], to path: String, mode: UInt32, replacing: Bool) throws(Problem) {
        let target = replacing ? "\(path).new-\(getpid())" : path
        let descriptor = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw Self.problem(path, "written") }
        var problem: Problem?
        if fchmod(descriptor, mode) != 0 { problem = Self.problem(path, "written") }
        var rest = bytes[...]
        while problem == nil, !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                problem = Self.problem(path, "written")
            }
        }
        if problem == nil, fsync(descriptor) != 0 { problem = Self.problem(path, "written") }
        close(descriptor)
        if problem == nil, replacing, rename(target, path) != 0 { problem = Self.problem(path, "written") }
        if let problem {
            unlink(target)
            throw problem
        }
    }

    private static func problem(_ path: String, _ verb: String) -> Problem {
        let number = errno
        return Problem(
            message: "\(path) cannot be \(verb): \(String(cString: strerror(number)))",
            isMissing: number == ENOENT,
            exists: number == EEXIST
        )
    }
}
