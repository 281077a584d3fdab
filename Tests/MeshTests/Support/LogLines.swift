// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

/// Keeps what is logged, each line with its metadata.
struct LogLines: LogHandler {
    private final class Kept: Sendable {
        let lines = Mutex<[String]>([])
    }

    private let kept = Kept()
    var logLevel = Logger.Level.warning
    var metadata = Logger.Metadata()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let metadata = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        self.kept.lines.withLock { $0.append("\(event.message) \(metadata.joined(separator: " "))") }
    }

    var lines: [String] { self.kept.lines.withLock { $0 } }

    func contains(_ text: String) -> Bool { self.lines.contains { $0.contains(text) } }
}
