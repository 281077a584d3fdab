// SPDX-License-Identifier: Apache-2.0

import Redis

/// What has to happen to the leases in one step. `KEYS[1]` is the lease of a node, `KEYS[2]` the set of names, `KEYS[3]`
/// what tells watchers that something has changed.
enum LeaseScripts {
    /// The time of the server: never the same again, even when Redis was emptied in between.
    private static let change = """
        local function changed()
            local now = redis.call('TIME')
            redis.call('SET', KEYS[3], now[1] .. '.' .. now[2])
        end

        """

    /// `ARGV`: lease, its life in milliseconds, name, most nodes. Answers with the lease that another life of the node
    /// holds; writes and answers with nothing when there is none.
    static let take = RedisScript(
        Self.change + """
            local held = redis.call('GET', KEYS[1])
            if held and string.sub(held, 1, 36) ~= string.sub(ARGV[1], 1, 36) then
                return held
            end
            if redis.call('SADD', KEYS[2], ARGV[3]) == 1 and redis.call('SCARD', KEYS[2]) > tonumber(ARGV[4]) then
                redis.call('SREM', KEYS[2], ARGV[3])
                return redis.error_reply('TOOMANYNODES the cluster has too many nodes')
            end
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            if held ~= ARGV[1] then
                changed()
            end
            return false
            """
    )

    /// `ARGV`: incarnation, name. Removes the lease if it is that life's; answers how many were removed.
    static let release = RedisScript(
        Self.change + """
            local held = redis.call('GET', KEYS[1])
            if held and string.sub(held, 1, 36) == ARGV[1] then
                redis.call('SREM', KEYS[2], ARGV[2])
                changed()
                return redis.call('DEL', KEYS[1])
            end
            return 0
            """
    )

    /// `ARGV`: what is held, name. Removes it if it is still the same, byte for byte; answers how many were removed. For what
    /// says no incarnation.
    static let discard = RedisScript(
        Self.change + """
            if redis.call('GET', KEYS[1]) == ARGV[1] then
                redis.call('SREM', KEYS[2], ARGV[2])
                changed()
                return redis.call('DEL', KEYS[1])
            end
            return 0
            """
    )

    /// `ARGV`: name. Forgets the name of a node whose lease is gone; answers how many were forgotten.
    static let forget = RedisScript(
        Self.change + """
            if redis.call('EXISTS', KEYS[1]) == 0 then
                changed()
                return redis.call('SREM', KEYS[2], ARGV[1])
            end
            return 0
            """
    )
}
