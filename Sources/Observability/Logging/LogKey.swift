// SPDX-License-Identifier: Apache-2.0

import Logging

/// The names of the values that log lines carry, so that one thing has one name in every module.
///
/// Never a message's body, a token, a password, or a connection string that holds one.
package enum LogKey: String, Sendable, CaseIterable {
    /// The node that writes the line.
    case node
    /// The other node of a link.
    case peer
    case address
    case role
    case incarnation
    case conversation
    case seq
    case slot
    case shard
    case epoch
    case session
    case device
    case user
    /// Why something was refused, closed or given up.
    case reason
    /// A code of the documented list.
    case code
    case count
    case bytes
    case duration
    case attempt
    case version
}

extension Logger.Metadata {
    /// Metadata under common names: `logger.info("link up", metadata: .keys([.peer: "router-1"]))`.
    package static func keys(_ values: KeyValuePairs<LogKey, Logger.MetadataValue>) -> Logger.Metadata {
        Logger.Metadata(values.map { ($0.key.rawValue, $0.value) }) { _, last in last }
    }
}

extension Logger {
    /// A value that all lines of this logger carry.
    package subscript(key: LogKey) -> Logger.MetadataValue? {
        get { self[metadataKey: key.rawValue] }
        set { self[metadataKey: key.rawValue] = newValue }
    }
}
