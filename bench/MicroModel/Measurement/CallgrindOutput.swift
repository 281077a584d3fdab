// SPDX-License-Identifier: Apache-2.0

/// A file that `valgrind --tool=callgrind` wrote (the format is in Valgrind's manual, "Callgrind Format Specification").
package enum CallgrindOutput {
    /// The first cost of the line `totals:` or `summary:`, which without other events is that of instructions; nil when
    /// the file has neither.
    package static func instructions(in text: some StringProtocol) -> UInt64? {
        for line in text.split(separator: "\n") {
            for key in ["totals:", "summary:"] where line.hasPrefix(key) {
                guard let first = line.dropFirst(key.count).split(separator: " ").first else { return nil }
                return UInt64(first)
            }
        }
        return nil
    }
}
