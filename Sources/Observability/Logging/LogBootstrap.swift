// SPDX-License-Identifier: Apache-2.0

import Logging

/// Sets up logging for the whole process.
package enum LogBootstrap {
    /// Sends every logger of the process to standard error. Call once, first thing; a second call stops the process.
    package static func install(level: Logger.Level, format: LogFormat) {
        LoggingSystem.bootstrap(
            { label, provider in
                LineLogHandler(label: label, level: level, format: format, metadataProvider: provider)
            },
            metadataProvider: nil
        )
    }

    /// A logger of its own on any descriptor, apart from the process-wide set-up. The descriptor stays the caller's.
    package static func logger(
        label: String,
        level: Logger.Level,
        format: LogFormat,
        descriptor: Int32
    ) -> Logger {
        Logger(label: label) { label in
            LineLogHandler(label: label, level: level, format: format, descriptor: descriptor)
        }
    }
}

extension MetricsRegistry {
    /// Adds the number of log lines that could not be written. Call once.
    package func collectLogMetrics() {
        let lost = self.declare(
            .counter,
            "trunkline_log_lines_lost_total",
            help: "Log lines that could not be written."
        )
        self.collect { sink in sink.record(lost, LineLogHandler.linesLost.value) }
    }
}
