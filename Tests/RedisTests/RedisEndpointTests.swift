// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Redis

@Suite("Redis URLs")
struct RedisEndpointTests {
    struct Accepted: Sendable {
        var url: String
        var endpoint: RedisEndpoint
    }

    @Test(
        "Well-formed URLs",
        arguments: [
            Accepted(url: "redis://localhost:6379", endpoint: RedisEndpoint(host: "localhost")),
            Accepted(url: "redis://localhost", endpoint: RedisEndpoint(host: "localhost", port: 6379)),
            Accepted(url: "redis://10.0.0.7:7000/", endpoint: RedisEndpoint(host: "10.0.0.7", port: 7000)),
            Accepted(url: "redis://r.example:1/15", endpoint: RedisEndpoint(host: "r.example", port: 1, database: 15)),
            Accepted(url: "redis://:pw@h:2", endpoint: RedisEndpoint(host: "h", port: 2, password: "pw")),
            Accepted(
                url: "redis://:p%40s%3As%2f@h:2/3",
                endpoint: RedisEndpoint(host: "h", port: 2, password: "p@s:s/", database: 3)
            ),
            Accepted(
                url: "redis://app:pw@h:2",
                endpoint: RedisEndpoint(host: "h", port: 2, username: "app", password: "pw")
            ),
            Accepted(url: "redis://[::1]:6380/2", endpoint: RedisEndpoint(host: "::1", port: 6380, database: 2)),
            Accepted(url: "redis://[fe80::1]", endpoint: RedisEndpoint(host: "fe80::1")),
        ]
    )
    func accepted(_ example: Accepted) throws {
        #expect(try RedisEndpoint(url: example.url) == example.endpoint)
    }

    @Test(
        "Malformed URLs are refused with the reason",
        arguments: [
            ("", "scheme"), ("localhost:6379", "scheme"), ("http://h:1", "\"http\""), ("rediss://h:1", "TLS"),
            ("redis://", "host"), ("redis://:6379", "host"), ("redis://h:", "port"), ("redis://h:0", "port"),
            ("redis://h:65536", "port"), ("redis://h:+5", "port"), ("redis://h:x", "port"),
            ("redis://h:1/x", "database"),
            ("redis://h:1/-1", "database"), ("redis://h:1/1/2", "database"), ("redis://::1:6379", "brackets"),
            ("redis://[::1:6379", "bracket"), ("redis://[::1]6379", "bracket"), ("redis://secret@h:1", "@"),
            ("redis://:@h:1", "empty"), ("redis://:a%4@h:1", "percent"), ("redis://:a%zz@h:1", "percent"),
            ("redis://a b:1", "character"),
        ]
    )
    func refused(_ url: String, _ word: String) {
        let error = #expect(throws: RedisError.self) { try RedisEndpoint(url: url) }
        #expect(error?.code == .malformedURL)
        #expect(error?.message.contains(word) == true, "\(url): \(error?.message ?? "")")
        #expect(error?.message.contains("secret") != true)
    }

    @Test("A password from elsewhere is taken, but not a second one")
    func separatePassword() throws {
        #expect(try RedisEndpoint(url: "redis://h:1", password: "pw").password == "pw")
        #expect(throws: RedisError.self) { try RedisEndpoint(url: "redis://:other@h:1", password: "pw") }
    }

    @Test("The password shows in no description")
    func masked() throws {
        let endpoint = try RedisEndpoint(url: "redis://:hunter2@h:1/4")
        var dumped = ""
        dump(endpoint, to: &dumped)
        #expect(endpoint.description == "redis://***@h:1/4")
        #expect(!"\(endpoint) \(String(reflecting: endpoint)) \(dumped)".contains("hunter2"))
    }
}
