// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#endif

/// Two ends of pipes to another process, read and written in whole frames. Calls block: not for an event loop, nor for
/// Swift's pool of threads. Owns both descriptors.
///
/// One thread at a time may read, and one write.
final class PipeChannel: Sendable {
    private let input: Int32
    private let output: Int32

    init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    deinit {
        close(self.input)
        close(self.output)
    }

    /// Returns false when the other side is gone.
    func write(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(self.output, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return false }
            rest = rest.dropFirst(written)
        }
        return true
    }

    /// The body of the next frame; nil when the other side is gone, or wrote what is none.
    func readFrame() -> [UInt8]? {
        guard let head = self.read(4) else { return nil }
        let count = head.reduce(0) { $0 << 8 | Int($1) }
        return count <= CrewFraming.bytesMax ? self.read(count) : nil
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var place = 0
        while place < count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(self.input, buffer.baseAddress.map { $0 + place }, count - place)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return nil }
            place += got
        }
        return bytes
    }
}
