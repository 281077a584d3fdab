// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOCore
import TestSupport
import Testing

@testable import Edge

@Suite("Who a client is")
struct AdmissionAddressTests {
    private static func networks(_ text: String) throws -> [NetworkPrefix] {
        try text.split(separator: " ").map { try #require(NetworkPrefix($0), "\($0)") }
    }

    private static func address(_ text: String) throws -> IPAddress {
        try #require(IPAddress(text), "\(text)")
    }

    @Test(
        "The client is the rightmost address that is no trusted proxy",
        arguments: [
            // Nobody trusted: the field is the client's invention.
            ("", "198.51.100.1", ["1.2.3.4"], "198.51.100.1"),
            ("10.0.0.0/8", "198.51.100.1", ["1.2.3.4"], "198.51.100.1"),
            ("10.0.0.0/8", "10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.0/8", "10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.0/8", "10.0.0.1", ["6.6.6.6", "1.2.3.4 , 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.0/8", "10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.0/8", "10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", ["6.6.6.6, unknown"], "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.1", ["6.6.6.6, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.0/8", "10.0.0.1", ["1.2.3.4:4711"], "1.2.3.4"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
            ("2001:db8::/32", "2001:db8:1::1", ["2001:db9::1"], "2001:db9::1"),
        ] as [(String, String, [String], String)]
    )
    func forwarded(trusted: String, peer: String, field: [String], client: String) throws {
        let addressing = ClientAddressing(trustedProxies: try Self.networks(trusted))
        #expect(addressing.client(peer: try Self.address(peer), forwardedFor: field) == (try Self.address(client)))
    }

    @Test("Of IPv6 the first 64 bits count, of IPv4 all, and the two spellings of an IPv4 address are one")
    func keys() throws {
        func key(_ text: String) throws -> ClientAddress { ClientAddress(try Self.address(text)) }
        #expect(try key("2001:db8:0:1::1") == key("2001:db8:0:1:ffff::9"))
        #expect(try key("2001:db8:0:1::1") != key("2001:db8:0:2::1"))
        #expect(try key("192.0.2.1") != key("192.0.2.2"))
        #expect(try key("192.0.2.1") == key("::ffff:192.0.2.1"))
        #expect(try key("::1") != key("192.0.2.1"))
    }

    @Test("The address of a socket is read as it is")
    func sockets() throws {
        for text in ["127.0.0.1", "203.0.113.255", "2001:db8::1:2:3", "::1"] {
            let socket = try SocketAddress(ipAddress: text, port: 4711)
            #expect(IPAddress(socket) == IPAddress(text), "\(text)")
        }
        #expect(IPAddress(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == nil)
        #expect(IPAddress(nil as SocketAddress?) == nil)
    }

    @Test("A network contains what agrees with it in its first bits")
    func networks() throws {
        let seed: UInt64 = 0xADD
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let bits = Int.random(in: 0...32, using: &random)
            let (one, other) = (
                UInt32.random(in: 0 ... .max, using: &random), UInt32.random(in: 0 ... .max, using: &random)
            )
            // Half of the time they agree in some of the first bits.
            let near = one ^ (other >> UInt32.random(in: 0...31, using: &random))
            let text = (0..<4).map { "\(one >> (24 - 8 * UInt32($0)) & 0xFF)" }.joined(separator: ".") + "/\(bits)"
            let network = try #require(NetworkPrefix(text[...]))
            let agrees = bits == 0 || (one ^ near) >> UInt32(32 - bits) == 0
            #expect(network.contains(IPAddress(version4: near)) == agrees, "seed \(seed), \(text), \(near)")
            #expect(network.contains(IPAddress(version4: one)))
        }
        let all = try #require(NetworkPrefix("::/0"))
        #expect(all.contains(try Self.address("192.0.2.1")))
        let edge = try #require(NetworkPrefix("2001:db8::/65"))
        #expect(edge.contains(try Self.address("2001:db8::7fff:ffff:ffff:ffff")))
        #expect(!edge.contains(try Self.address("2001:db8:0:0:8000::")))
        for wrong in ["", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/-1", "::/129", "[::1]", "host"] {
            #expect(NetworkPrefix(wrong[...]) == nil, "\(wrong)")
        }
    }
}
