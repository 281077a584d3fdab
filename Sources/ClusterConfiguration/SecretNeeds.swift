// SPDX-License-Identifier: Apache-2.0

/// Which of a cluster's secrets somebody uses: nobody has to hold one that he has no use for.
package struct SecretNeeds: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// `secrets.mesh_secret`.
    package static let mesh = SecretNeeds(rawValue: 1 << 0)
    /// `secrets.token_secret`.
    package static let token = SecretNeeds(rawValue: 1 << 1)
    /// `secrets.admin_read` and `admin_operate`, to know them when they are shown.
    package static let admin = SecretNeeds(rawValue: 1 << 2)
    /// One of these two, to show it: a person who may only look has no other.
    package static let oneOfAdmin = SecretNeeds(rawValue: 1 << 3)
    /// `redis.password`.
    package static let redis = SecretNeeds(rawValue: 1 << 4)
    /// The passwords of `shards`.
    package static let shards = SecretNeeds(rawValue: 1 << 5)

    /// All that the file names.
    package static let all: SecretNeeds = [.mesh, .token, .admin, .redis, .shards]
    /// An edge has no business with Postgres and takes no orders from people.
    package static let edge: SecretNeeds = [.mesh, .token, .redis]
    /// A router never sees a client's token.
    package static let router: SecretNeeds = [.mesh, .admin, .redis, .shards]
    /// Who looks at a cluster from outside.
    package static let look: SecretNeeds = [.redis, .shards]
    /// Who gives orders to nodes, which are found through Redis.
    package static let order: SecretNeeds = [.oneOfAdmin, .redis]

    /// What a node of this role needs.
    package init(_ role: ClusterSettings.Role) {
        switch role {
        case .edge: self = .edge
        case .router: self = .router
        }
    }

    /// What the secret of a key is for; empty for a key that holds none.
    package init(key: String) {
        switch key {
        case "secrets.mesh_secret": self = .mesh
        case "secrets.token_secret": self = .token
        case "secrets.admin_read", "secrets.admin_operate": self = .admin
        case "redis.password", "redis.sentinel_password": self = .redis
        default: self = key.hasPrefix("shards[") ? .shards : []
        }
    }
}
