// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Redis

extension RedisConfiguration {
    /// As `cluster.yaml` says.
    package init(settings: ClusterSettings, secrets: ResolvedSecrets) {
        let url = settings.redis.url
        let addresses = url.addresses.map { RedisAddress(host: $0.host, port: UInt16(clamping: $0.port)) }
        let sentinelPassword = secrets.sentinelPassword?.exposedText
        self.init(
            endpoint: RedisEndpoint(
                place: url.primaryName.map {
                    .sentinels(addresses, primaryName: $0, password: sentinelPassword)
                } ?? .servers(addresses),
                username: url.user,
                password: secrets.redisPassword?.exposedText,
                database: UInt32(clamping: url.database)
            )
        )
        self.connectTimeout = settings.timeouts.connect
        self.commandTimeout = settings.timeouts.redisCommand
    }
}
