// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The file of `--json`.
enum ReportFile {
    static func write(_ report: RunReport, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(report).write(to: URL(filePath: path))
    }

    static func timestamp() -> String {
        Timestamp(WallClock.now()).description
    }
}
