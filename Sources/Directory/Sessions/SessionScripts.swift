// SPDX-License-Identifier: Apache-2.0

import Redis

/// What has to happen to the registry in one step. `KEYS[1]` is a user's hash, or an edge's marker.
enum SessionScripts {
    /// Whether an entry is that of a newer session than the given one.
    ///
    /// Session ids are UUIDv7: in their text form the later one is the larger. Of two lives of one edge's name the
    /// writer is the living one. An entry that cannot be taken apart is older than any.
    private static let isNewer = """
        local function isNewer(held, own)
            if not held or #held <= 74 or string.sub(held, -37, -37) ~= '|' or string.sub(held, -74, -74) ~= '|' then
                return false
            end
            local sameEdge = string.sub(held, 1, -75) == string.sub(own, 1, -75)
            local sameLife = string.sub(held, -73, -38) == string.sub(own, -73, -38)
            return string.sub(held, -36) > string.sub(own, -36) and (sameLife or not sameEdge)
        end

        """

    /// `ARGV`: device, location, life of the hash in milliseconds, most devices, lead. Answers with the location before.
    ///
    /// Refuses when the device has a newer session, by up to the lead in milliseconds: this registration took so long that
    /// the device has gone elsewhere meanwhile. One that seems newer by more than that can only have got its id from a clock
    /// that is ahead. The first 48 bits of a session id are milliseconds (UUIDv7).
    static let register = RedisScript(
        Self.isNewer + """
            local function time(location)
                return tonumber(string.sub(location, -36, -29) .. string.sub(location, -27, -24), 16) or 0
            end
            local held = redis.call('HGET', KEYS[1], ARGV[1])
            if isNewer(held, ARGV[2]) and time(held) - time(ARGV[2]) <= tonumber(ARGV[5]) then
                return redis.error_reply('NEWERSESSION the device has a newer session')
            end
            if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
                return redis.error_reply('TOOMANYDEVICES the user has too many registered devices')
            end
            redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
            return held
            """
    )

    /// The same `ARGV`. Leaves the entry alone, and answers with it, when it is newer than the one given. How many
    /// devices the user has was checked when the session began; a refill is not to fail on it.
    static let registerUnlessNewer = RedisScript(
        Self.isNewer + """
            local held = redis.call('HGET', KEYS[1], ARGV[1])
            if isNewer(held, ARGV[2]) then
                return held
            end
            redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
            return false
            """
    )

    /// `ARGV`: device, location. Removes the entry if it is that location still; answers how many were removed.
    static let unregister = RedisScript(
        """
        if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
            return redis.call('HDEL', KEYS[1], ARGV[1])
        end
        return 0
        """
    )

    /// `ARGV`: marker, life in milliseconds. Prolongs the marker if it is that one still; answers 1 or 0.
    static let prolongMarker = RedisScript(
        """
        if redis.call('GET', KEYS[1]) == ARGV[1] then
            return redis.call('PEXPIRE', KEYS[1], ARGV[2])
        end
        return 0
        """
    )

    /// `KEYS[2]` says which refill is under way. `ARGV`: marker, life in milliseconds, the refill. Sets the marker if that
    /// refill is under way still: when Redis was emptied meanwhile it is not. Answers 1 or 0.
    static let setMarkerAfterRefill = RedisScript(
        """
        if redis.call('GET', KEYS[2]) ~= ARGV[3] then
            return 0
        end
        redis.call('DEL', KEYS[2])
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 1
        """
    )

    /// `ARGV`: incarnation. Removes the marker if it is of that life of the edge; answers how many were removed.
    static let clearMarker = RedisScript(
        """
        local held = redis.call('GET', KEYS[1])
        if held and string.sub(held, 1, 36) == ARGV[1] then
            return redis.call('DEL', KEYS[1])
        end
        return 0
        """
    )
}
