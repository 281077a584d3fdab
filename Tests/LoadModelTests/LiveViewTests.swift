// SPDX-License-Identifier: Apache-2.0

import LoadModel
import Testing

@Suite("The live view of a load run")
struct LiveViewTests {
    private static func figures() -> LiveFigures {
        var figures = LiveFigures()
        figures.title = "direct, 200 messages/s"
        figures.elapsedSeconds = 12
        figures.warmUpSeconds = 2
        figures.plannedSeconds = 22
        figures.countsBefore.offered = 2200
        figures.counts.offered = 2600
        figures.counts.acknowledged = 2590
        figures.intervalSeconds = 2
        var latencies = LatencyRecorder()
        latencies.record(nanoseconds: 4_000_000)
        figures.acknowledgementLatency = latencies.summary
        figures.unanswered = 10
        figures.sessions = 40
        figures.sessionsOpen = 39
        figures.lost = 3
        figures.away = 1
        figures.failures = ["timed_out": 2, "overloaded": 5]
        figures.refusals = ["rate_limited": 1200]
        figures.nodes = [
            LiveFigures.Node(name: "edge-1", cores: 0.436, residentBytes: 61 << 20),
            LiveFigures.Node(name: "a-node-with-a-very-long-name", cores: nil, residentBytes: nil),
        ]
        return figures
    }

    @Test("it tells rates, percentiles, what is in flight, errors by code and what the nodes take")
    func content() {
        let lines = LiveView.lines(of: Self.figures(), columns: 100, rows: 50)
        let text = lines.joined(separator: "\n")
        for part in [
            "12 of 22 s, measuring", "200", "2,600", "4.00", "in flight 10", "sessions 39 of 40", "lost 3, back 2",
            "failed 7", "failed for good: overloaded 5, timed_out 2", "refused: rate_limited 1,200", "43.6 %", "61.0",
        ] {
            #expect(text.contains(part), "\(part) in\n\(text)")
        }
        #expect(lines.first { $0.hasPrefix("offered") }?.contains(" 200 ") == true, "400 messages in 2 s")
    }

    @Test("no line is wider and there are no more of them than the terminal has", arguments: [1, 7, 40, 79, 200])
    func narrow(columns: Int) {
        for rows in [0, 1, 3, 24] {
            let lines = LiveView.lines(of: Self.figures(), columns: columns, rows: rows)
            #expect(lines.allSatisfy { $0.count <= columns })
            #expect((1...max(1, rows)).contains(lines.count))
        }
    }

    @Test("of many nodes and codes the first are shown")
    func many() {
        var figures = Self.figures()
        figures.nodes = (0..<100).map { LiveFigures.Node(name: "n\($0)", cores: 0, residentBytes: 0) }
        figures.failures = Dictionary((0..<100).map { ("code\($0)", $0 + 1) }, uniquingKeysWith: { first, _ in first })
        let lines = LiveView.lines(of: figures, columns: 1000, rows: 1000)
        #expect(lines.count < 30)
        #expect(lines.last == "and 88 more")
        #expect(lines.contains { $0.hasPrefix("failed for good: code99 100, code98 99") })
    }

    @Test("what a node calls itself does not move the cursor")
    func hostile() {
        var figures = Self.figures()
        figures.nodes = [LiveFigures.Node(name: "a\u{1B}[2Jb\nc\u{9B}d", cores: nil, residentBytes: nil)]
        let lines = LiveView.lines(of: figures, columns: 100, rows: 50)
        #expect(lines.last?.hasPrefix("a?[2Jb?c?d") == true)
    }

    @Test("for a file or a pipe it is one line")
    func plain() {
        let line = Self.figures().line
        #expect(line.hasPrefix("12.0 s  offered 2600  acknowledged 2590 (p99 4.0 ms)  delivered 0"))
        #expect(line.hasSuffix("unanswered 10  failed 7  sessions 39  lost 3  back 2"))
        #expect(!line.contains("\n"))
    }

    // MARK: - The terminal

    /// As much of a terminal as the block uses: rows of cells, a cursor, wrapping, and four control sequences.
    private struct Screen {
        private(set) var rows: [[Character]] = [[]]
        private var row = 0
        private var column = 0
        private(set) var isCursorVisible = true
        let columns: Int

        init(columns: Int) {
            self.columns = columns
        }

        var text: [String] {
            var lines = self.rows.map { String($0) }
            while lines.last?.isEmpty == true { lines.removeLast() }
            return lines
        }

        mutating func write(_ text: String) {
            var rest = Array(text.unicodeScalars)[...]
            while let scalar = rest.popFirst() {
                switch scalar {
                case "\r": self.column = 0
                case "\n": self.moveDown()
                case "\u{1B}":
                    rest = rest.dropFirst()
                    let parameters = rest.prefix { !("A"..."z").contains($0) }
                    rest = rest.dropFirst(parameters.count)
                    let text = parameters.map { String($0) }.joined()
                    self.control(rest.popFirst() ?? " ", text)
                default: self.put(Character(scalar))
                }
            }
        }

        private mutating func moveDown() {
            self.row += 1
            if self.row == self.rows.count { self.rows.append([]) }
        }

        private mutating func put(_ character: Character) {
            if self.column == self.columns {
                self.column = 0
                self.moveDown()
            }
            while self.rows[self.row].count <= self.column { self.rows[self.row].append(" ") }
            self.rows[self.row][self.column] = character
            self.column += 1
        }

        private mutating func control(_ command: Unicode.Scalar, _ parameters: String) {
            switch (command, parameters) {
            case ("A", _): self.row -= Int(parameters) ?? 1
            case ("K", ""): self.eraseLine()
            case ("J", ""):
                self.eraseLine()
                self.rows.removeLast(self.rows.count - self.row - 1)
            case ("l", "?25"): self.isCursorVisible = false
            case ("h", "?25"): self.isCursorVisible = true
            default: Issue.record("an unknown control sequence: \(parameters)\(command)")
            }
        }

        private mutating func eraseLine() {
            // At the right margin a terminal erases the last cell; the cursor stands on it.
            let count = min(self.column, self.rows[self.row].count)
            self.rows[self.row].removeLast(self.rows[self.row].count - count)
        }
    }

    @Test("whatever was drawn before, the terminal shows the last lines and what was there above")
    func redrawn() {
        for seed in UInt64(1)...200 {
            var random = SplitMix(seed: seed)
            let columns = Int.random(in: 5...30, using: &random)
            var screen = Screen(columns: columns)
            screen.write("before\r\n")
            let above = screen.text
            var block = TerminalBlock()
            for _ in 0..<6 {
                let lines = (0..<Int.random(in: 1...6, using: &random)).map { number in
                    String(repeating: "\(number)", count: Int.random(in: 1..<columns, using: &random))
                }
                screen.write(block.draw(lines, columns: columns))
                #expect(screen.text == above + lines, "seed \(seed)")
                #expect(!screen.isCursorVisible)
            }
            screen.write(block.clear(columns: columns))
            #expect(screen.text == above, "seed \(seed)")
            #expect(screen.isCursorVisible && block.isEmpty)
            #expect(block.clear(columns: columns).isEmpty)
        }
    }

    @Test("after the terminal became narrower the rows that the old lines take today are counted")
    func resized() {
        var block = TerminalBlock()
        _ = block.draw([String(repeating: "x", count: 50), "y"], columns: 80)
        let text = block.draw(["z"], columns: 20)
        #expect(text.contains("\u{1B}[3A"), "three rows of the first line, one of the second")
    }
}
