// SPDX-License-Identifier: Apache-2.0

import Logging

/// Keys of the metadata in the mesh's log lines.
enum MeshLogKey: String {
    case address
    case cause
    case code
    case link
    case peer
    case reason
    case suppressed
    case version
}

extension Logger.Metadata {
    static func mesh(_ values: [MeshLogKey: String]) -> Logger.Metadata {
        Dictionary(uniqueKeysWithValues: values.map { ($0.key.rawValue, .string($0.value)) })
    }
}
