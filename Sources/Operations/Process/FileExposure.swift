// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Whether every user of the machine can read a file.
enum FileExposure {
    /// A folder on the way that others may not enter protects it. False for a file that is not there.
    static func isExposed(_ path: String) -> Bool {
        guard let resolved = realpath(path, nil) else { return false }
        defer { free(resolved) }
        let full = String(cString: resolved)
        guard let mode = Self.mode(of: full), mode & S_IROTH != 0 else { return false }
        var folder = full[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            guard let mode = Self.mode(of: folder.isEmpty ? "/" : String(folder)) else { return true }
            if mode & S_IXOTH == 0 { return false }
        }
        return true
    }

    private static func mode(of path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode : nil
    }
}
