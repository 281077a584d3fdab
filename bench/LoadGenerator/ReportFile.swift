// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The files of `--json` and `--html`.
enum ReportFile {
    /// A report of a day has some megabytes.
    private static let bytesMax = 256 << 20

    static func write(_ report: RunReport, _ path: String) throws {
        try Data(try report.json()).write(to: URL(filePath: path))
    }

    static func writePage(_ report: RunReport, _ path: String) throws {
        try Data(ReportPage.html(of: report).utf8).write(to: URL(filePath: path))
    }

    static func read(_ path: String) throws(ReportFileError) -> RunReport {
        let data: Data
        do {
            let handle = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
            data = handle
        } catch {
            throw ReportFileError("it cannot be read; check the path and the permissions")
        }
        guard data.count <= Self.bytesMax else {
            throw ReportFileError("it is larger than \(Self.bytesMax >> 20) MiB; give a file that --json wrote")
        }
        return try RunReport(json: Array(data))
    }

    static func timestamp() -> String {
        Timestamp(WallClock.now()).description
    }
}
