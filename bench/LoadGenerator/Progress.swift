// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The standard error, written at once.
enum StandardError {
    static let isTerminal = isatty(STDERR_FILENO) == 1

    static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }
}

/// Tells how far it is: on a terminal one line that changes, otherwise at most a line a second. May be used from any
/// thread.
final class Progress: Sendable {
    let isQuiet: Bool
    private let interval: TimeAmount = StandardError.isTerminal ? .milliseconds(100) : .seconds(1)
    private let lastShown = Mutex<NIODeadline?>(nil)

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
    }

    /// What passes. What comes soon after another is left out.
    func show(_ text: @autoclosure () -> String) {
        guard !self.isQuiet else { return }
        let now = NIODeadline.now()
        let isDue = self.lastShown.withLock { last in
            if let shown = last, now - shown < self.interval { return false }
            last = now
            return true
        }
        if isDue { self.line(text(), isLast: false) }
    }

    /// What is due by itself and passes.
    func tell(_ text: String) {
        guard !self.isQuiet else { return }
        self.lastShown.withLock { $0 = .now() }
        self.line(text, isLast: false)
    }

    /// What stays.
    func note(_ text: String) {
        if !self.isQuiet { self.line(text, isLast: true) }
    }

    private func line(_ text: String, isLast: Bool) {
        let end = isLast || !StandardError.isTerminal ? "\n" : ""
        StandardError.write((StandardError.isTerminal ? "\r\u{1B}[K" : "") + text + end)
    }
}
