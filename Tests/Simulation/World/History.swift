// SPDX-License-Identifier: Apache-2.0

/// What happened, for the one who reads a failing seed. Kept only when it is going to be read.
package final class History {
    package let isKept: Bool
    private var lines: [String] = []
    /// A sum over everything noted, to compare two runs of one seed (FNV-1a, Fowler, Noll, Vo).
    package private(set) var checksum: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Lines kept; a run of one seed stays far below.
    private static let linesMax = 500_000

    init(isKept: Bool) {
        self.isKept = isKept
    }

    func note(_ time: UInt64, _ text: () -> String) {
        guard self.isKept, self.lines.count < Self.linesMax else { return }
        let milliseconds = time / 1000
        let line = "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) ms  \(text())"
        for byte in line.utf8 {
            self.checksum = (self.checksum ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        self.lines.append(line)
    }

    package var text: String { self.lines.joined(separator: "\n") }
}
