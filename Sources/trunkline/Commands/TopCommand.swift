// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Operations

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: OperatorVerb.top.summary,
        discussion: """
            Asks every node for its metrics each second. SENDS/S are messages: those that clients sent to an edge over \
            WebSocket, those that a router stored. DELIVERIES/S are an edge's events to sessions, a router's frames to \
            edges. QUEUE is what waits at this moment. CPU is of one processor. Ctrl-C ends it.

            Into a pipe or a file it prints once, after one interval. --json prints one line for each look.

            Examples:
              trunkline top
              trunkline top --once
              trunkline top --once --json | jq .sends
            """
    )

    @OptionGroup var options: LookOptions

    @Flag(help: ArgumentHelp(.once))
    var once = false

    @Option(help: ArgumentHelp(.interval))
    var interval = WaitTime(duration: .seconds(1), text: "1s")

    func validate() throws {
        guard self.interval.duration >= .milliseconds(100) else {
            throw ValidationError("--interval is at least 100ms.")
        }
    }

    func run() async throws {
        try await Ending.report {
            var looks = ClusterTopLooks(try self.options.look())
            _ = await looks.next()
            let isOnce = self.once || isatty(STDOUT_FILENO) == 0
            repeat {
                try await Task.sleep(for: self.interval.duration)
                let top = await looks.next()
                if self.options.json {
                    printText(try top.json())
                } else if isOnce {
                    printText(top.text())
                } else {
                    printText(Self.screen(top.text()))
                }
            } while !isOnce
        }
    }

    /// Home, then each line and nothing behind it, then nothing below: without the flicker of clearing first. A line that
    /// is too long would push the others down.
    private static func screen(_ text: String) -> String {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { isKnown ? $0.prefix(Int(size.ws_col)) : $0 }
            .prefix(isKnown && size.ws_row > 0 ? Int(size.ws_row) : .max)
        return "\u{1B}[H" + lines.map { "\($0)\u{1B}[K" }.joined(separator: "\n") + "\u{1B}[J"
    }
}
