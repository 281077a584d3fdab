// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Whether every user of the machine can read a file.
enum FileExposure {
    /// A folder on the way that others may not enter protects it. False for a file that is not there.
    static func isExposed(_ path: String) -> Bool {
        guard let resolved = realpath(path, nil) else { return false }
        defer { free(resolved) }
        let full = String(cString: resolved)
        guard let mode = Self.mode(of: full), mode & 0o004 != 0 else { return false }
        var folder = full[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            guard let mode = Self.mode(of: folder.isEmpty ? "/" : String(folder)) else { return true }
            if mode & 0o001 == 0 { return false }
        }
        return true
    }

    private static func mode(of path: String) -> Int? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.posixPermissions] as? NSNumber)?.intValue
    }
}
