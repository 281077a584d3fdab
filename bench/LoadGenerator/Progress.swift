// SPDX-License-Identifier: Apache-2.0

import LoadModel
import NIOCore
import Synchronization

/// Tells how far it is: on a terminal a line or a block that changes, otherwise at most a line a second. May be used from
/// any thread.
final class Progress: Sendable {
    let isQuiet: Bool
    private let interval: TimeAmount = StandardError.isTerminal ? .milliseconds(100) : .seconds(1)

    private struct State {
        var lastShown: NIODeadline?
        var block = TerminalBlock()
    }

    /// Held while something is written, so that no two texts mix.
    private let state = Mutex(State())

    init(isQuiet: Bool) {
        self.isQuiet = isQuiet
    }

    /// What passes. What comes soon after another is left out.
    func show(_ text: @autoclosure () -> String) {
        guard !self.isQuiet else { return }
        let now = NIODeadline.now()
        self.state.withLock { state in
            if let shown = state.lastShown, now - shown < self.interval { return }
            state.lastShown = now
            if StandardError.isTerminal {
                Self.draw([text()], &state)
            } else {
                StandardError.write(text() + "\n")
            }
        }
    }

    /// What is due by itself and passes.
    func tell(_ figures: LiveFigures) {
        guard !self.isQuiet else { return }
        self.state.withLock { state in
            state.lastShown = .now()
            if StandardError.isTerminal {
                let size = StandardError.size
                // One row stays free: what is written into the last one would move the others.
                let lines = LiveView.lines(of: figures, columns: size.columns - 1, rows: size.rows - 1)
                Self.draw(lines, &state)
            } else {
                StandardError.write(figures.line + "\n")
            }
        }
    }

    /// What stays.
    func note(_ text: String) {
        guard !self.isQuiet else { return }
        self.state.withLock { state in
            StandardError.write(state.block.clear(columns: StandardError.size.columns) + text + "\n")
        }
    }

    /// Nothing passing is left on the terminal. Call it before anything else is written there.
    func clear() {
        self.state.withLock { state in
            let text = state.block.clear(columns: StandardError.size.columns)
            if !text.isEmpty { StandardError.write(text) }
        }
    }

    private static func draw(_ lines: [String], _ state: inout State) {
        StandardError.showsCursorAtEnd
        let columns = StandardError.size.columns
        // The last column stays free: a terminal would erase what stands in it with the rest of the line.
        let shown = lines.map { String($0.prefix(max(1, columns - 1))) }
        StandardError.write(state.block.draw(shown, columns: columns))
    }
}
