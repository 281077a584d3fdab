// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// Reads whole small files, blocking; used at start only.
enum FileReading {
    /// Throws when the file cannot be read or holds more than the bound.
    static func read(_ path: String, bytesMax: Int) throws(ValueError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.error(path) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Self.error(path)
            }
            guard bytes.count + count <= bytesMax else {
                throw ValueError(
                    "\(path) is larger than \(UnitSystem.size.text(of: bytesMax))",
                    remedy: "name another file"
                )
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    private static func error(_ path: String) -> ValueError {
        ValueError("\(path) cannot be read: \(String(cString: strerror(errno)))", remedy: "mend the path or its rights")
    }
}
