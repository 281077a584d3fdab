// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Redis

@Suite("Where Redis is")
struct RedisEndpointTests {
    @Test("A description names every address")
    func described() {
        let one = RedisEndpoint(host: "db-1")
        #expect(one.description == "redis://db-1:6379/0")
        let two = [RedisAddress(host: "db-1", port: 7000), RedisAddress(host: "::1", port: 7001)]
        #expect(RedisEndpoint(place: .servers(two), database: 3).description == "redis://db-1:7000,[::1]:7001/3")
        let sentinels = RedisEndpoint(place: .sentinels(two, primaryName: "main", password: nil))
        #expect(sentinels.description == "redis-sentinel://db-1:7000,[::1]:7001/0#main")
    }

    @Test("Passwords show in no description")
    func masked() {
        let address = RedisAddress(host: "h", port: 1)
        for endpoint in [
            RedisEndpoint(host: "h", port: 1, username: "u", password: "hunter2", database: 4),
            RedisEndpoint(place: .sentinels([address], primaryName: "main", password: "hunter2"), password: "hunter2"),
        ] {
            var dumped = ""
            dump(endpoint, to: &dumped)
            #expect(endpoint.description.contains("***@h:1"))
            #expect(!"\(endpoint) \(String(reflecting: endpoint)) \(dumped)".contains("hunter2"))
        }
    }
}
