// SPDX-License-Identifier: Apache-2.0

/// Where the primary of a Redis is looked for, and what it wants to be told first.
///
/// Its description holds no password.
package struct RedisEndpoint: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// One of these servers is the primary.
        case servers([RedisAddress])
        /// One of these sentinels knows where the primary of that name is.
        ///
        /// - Parameter password: of the sentinels; nil where they have none.
        case sentinels([RedisAddress], primaryName: String, password: String?)
    }

    package static let portDefault: UInt16 = 6379
    package static let sentinelPortDefault: UInt16 = 26379

    package var place: Place
    /// For the access lists of Redis 6; without it `AUTH` names the password alone.
    package var username: String?
    package var password: String?
    package var database: UInt32

    /// - Parameter place: names at least one address; without any there is never a connection.
    package init(place: Place, username: String? = nil, password: String? = nil, database: UInt32 = 0) {
        self.place = place
        self.username = username
        self.password = password
        self.database = database
    }

    /// One server.
    package init(
        host: String,
        port: UInt16 = Self.portDefault,
        username: String? = nil,
        password: String? = nil,
        database: UInt32 = 0
    ) {
        self.init(
            place: .servers([RedisAddress(host: host, port: port)]),
            username: username,
            password: password,
            database: database
        )
    }

    /// Of the servers, or of the sentinels.
    var addresses: [RedisAddress] {
        switch self.place {
        case .servers(let addresses), .sentinels(let addresses, _, _): addresses
        }
    }
}

extension RedisEndpoint: CustomStringConvertible {
    package var description: String {
        let (scheme, name) =
            switch self.place {
            case .servers: ("redis", "")
            case .sentinels(_, let name, _): ("redis-sentinel", "#\(name)")
            }
        let addresses = self.addresses.map(\.description).joined(separator: ",")
        return "\(scheme)://\(self.password == nil ? "" : "***@")\(addresses)/\(self.database)\(name)"
    }
}

extension RedisEndpoint: CustomReflectable {
    /// Keeps the password out of `dump` and of failed expectations.
    package var customMirror: Mirror {
        Mirror(self, children: ["endpoint": self.description])
    }
}
