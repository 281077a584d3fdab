// SPDX-License-Identifier: Apache-2.0

import LoadModel

#if canImport(Glibc)
    import Glibc
#endif

/// The standard error, written at once.
enum StandardError {
    /// Whether it is a terminal that understands control sequences.
    static let isTerminal =
        isatty(STDERR_FILENO) == 1 && getenv("TERM").map { strcmp($0, "dumb") != 0 && strlen($0) > 0 } ?? false

    /// Of the terminal now.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    static func write(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }

    /// From now on a signal that ends the process shows the cursor first, and reaches the processes that it started.
    static let showsCursorAtEnd: Void = Self.handleSignals { number in
        // Only what signal-safety(7) allows: the text lies in the program, nothing is allocated.
        let text: StaticString = "\u{1B}[?25h\r\n"
        _ = Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        SignalForwarding.forward(number)
        signal(number, SIG_DFL)
        raise(number)
    }

    /// The same where no cursor was hidden.
    static let forwardsSignals: Void = {
        guard !Self.isTerminal else { return Self.showsCursorAtEnd }
        Self.handleSignals { number in
            SignalForwarding.forward(number)
            signal(number, SIG_DFL)
            raise(number)
        }
    }()

    private static func handleSignals(_ handler: @escaping @convention(c) (Int32) -> Void) {
        // What is made on its first use must not be made inside a handler.
        SignalForwarding.prepare()
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number, handler) }
    }
}
