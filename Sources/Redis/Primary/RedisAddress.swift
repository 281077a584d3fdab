// SPDX-License-Identifier: Apache-2.0

/// Where one server, or one sentinel, listens.
package struct RedisAddress: Hashable, Sendable, CustomStringConvertible {
    /// A host name or an address; an IPv6 address without brackets.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}
