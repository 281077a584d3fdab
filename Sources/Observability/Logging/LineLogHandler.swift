// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Writes each log line to a descriptor with one `write(2)`, so that lines of concurrent threads never mix.
///
/// Blocks while the descriptor is a full pipe. A line that cannot be written is lost and counted in ``linesLost``.
struct LineLogHandler: LogHandler {
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let format: LogFormat
    private let descriptor: Int32

    /// Lines of this process that could not be written.
    static let linesLost = Counter()

    init(
        label: String,
        level: Logger.Level,
        format: LogFormat,
        descriptor: Int32 = STDERR_FILENO,
        metadataProvider: Logger.MetadataProvider? = nil
    ) {
        self.label = label
        self.logLevel = level
        self.format = format
        self.descriptor = descriptor
        self.metadataProvider = metadataProvider
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var metadata = self.metadata
        if let provided = self.metadataProvider?.get(), !provided.isEmpty {
            metadata.merge(provided) { _, last in last }
        }
        if let own = event.metadata, !own.isEmpty {
            metadata.merge(own) { _, last in last }
        }
        if let error = event.error {
            metadata["error"] = "\(error)"
        }
        let line = LogLine(
            format: self.format,
            time: Timestamp.now(),
            level: event.level,
            label: self.label,
            message: event.message.description,
            metadata: metadata
        )
        if !Self.write(line.bytes, to: self.descriptor) { Self.linesLost.increment() }
    }

    /// Whether the whole line was written. Only a signal or a full disk makes a regular file take less at once.
    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + written }, buffer.count - written)
            }
            if count < 0 {
                guard errno == EINTR else { return false }
            } else {
                written += count
            }
        }
        return true
    }
}
