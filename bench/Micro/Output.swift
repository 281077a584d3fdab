// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MicroModel

/// Tables and notes go to standard error, so that `--json -` has standard output for itself.
enum Output {
    static func table(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    static func note(_ text: String) {
        Self.table("trunkline-micro: \(text)")
    }

    static func line(_ text: String) {
        print(text)
    }

    static func write(_ data: Data, to file: String) throws {
        let data = data + Data("\n".utf8)
        guard file != "-" else { return FileHandle.standardOutput.write(data) }
        do {
            try data.write(to: URL(fileURLWithPath: file))
        } catch {
            throw ValidationError("\(file) cannot be written: \(error.localizedDescription)")
        }
    }

    static func readReport(_ file: String) throws -> MicroReport {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ValidationError("\(file) cannot be read; --baseline takes a file that --json wrote.")
        }
        do throws(MicroReportError) {
            return try MicroReport(json: data)
        } catch {
            throw ValidationError("\(file): \(error)")
        }
    }
}
