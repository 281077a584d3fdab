// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Redis

extension RedisConfiguration {
    /// As `cluster.yaml` says.
    package init(settings: ClusterSettings, secrets: ResolvedSecrets) {
        let url = settings.redis.url
        self.init(
            endpoint: RedisEndpoint(
                host: url.address.host,
                port: UInt16(clamping: url.address.port),
                username: url.user,
                password: secrets.redisPassword?.exposedText,
                database: UInt32(clamping: url.database)
            )
        )
        self.connectTimeout = settings.timeouts.connect
        self.commandTimeout = settings.timeouts.redisCommand
    }
}
