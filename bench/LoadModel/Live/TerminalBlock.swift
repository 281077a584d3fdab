// SPDX-License-Identifier: Apache-2.0

/// Lines at the lower end of a terminal that are written over again and again. Pure: it returns what is to be written.
///
/// Control sequences as in ECMA-48 and those of xterm for the cursor. Each drawing is one string and erases only what is
/// behind the new text, so nothing is ever blank in between.
package struct TerminalBlock: Sendable {
    package static let showCursor = "\u{1B}[?25h"
    private static let hideCursor = "\u{1B}[?25l"
    private static let eraseToEndOfLine = "\u{1B}[K"
    private static let eraseBelow = "\u{1B}[J"

    /// Lengths of the lines that stand there; the cursor is at the end of the last one.
    private var lengths: [Int] = []

    package init() {}

    package var isEmpty: Bool { self.lengths.isEmpty }

    /// - Parameters:
    ///   - lines: Without control characters, each shorter than `columns`: what is in the last column would be erased.
    ///   - columns: Of the terminal now: what stands there was perhaps written in a wider one, and takes more rows today.
    package mutating func draw(_ lines: [String], columns: Int) -> String {
        let start = self.toStart(columns: columns)
        self.lengths = lines.map(\.count)
        return Self.hideCursor + start + lines.map { $0 + Self.eraseToEndOfLine }.joined(separator: "\r\n")
            + Self.eraseBelow
    }

    /// Leaves nothing behind, and the cursor where the block began.
    package mutating func clear(columns: Int) -> String {
        guard !self.isEmpty else { return "" }
        let start = self.toStart(columns: columns)
        self.lengths = []
        return start + Self.eraseBelow + Self.showCursor
    }

    private func toStart(columns: Int) -> String {
        guard !self.isEmpty else { return "\r" }
        let rows = self.lengths.reduce(0) { $0 + max(1, ($1 + max(1, columns) - 1) / max(1, columns)) }
        return rows > 1 ? "\r\u{1B}[\(rows - 1)A" : "\r"
    }
}
