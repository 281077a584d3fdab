// SPDX-License-Identifier: Apache-2.0

import Testing
import TrunklineClient

@Suite("The address of an edge")
struct EdgeAddressTests {
    @Test("host and port are read, and written back")
    func valid() {
        #expect(EdgeAddress("http://127.0.0.1:8201") == EdgeAddress(host: "127.0.0.1", port: 8201))
        #expect(EdgeAddress("http://edge.example/") == EdgeAddress(host: "edge.example", port: 80))
        #expect(EdgeAddress("HTTP://Edge:1") == EdgeAddress(host: "Edge", port: 1))
        #expect(EdgeAddress("http://[::1]:8201") == EdgeAddress(host: "::1", port: 8201))
        #expect(EdgeAddress("http://[::1]:8201")?.url == "http://[::1]:8201")
        #expect(EdgeAddress("http://127.0.0.1:8201")?.url == "http://127.0.0.1:8201")
        #expect(EdgeAddress("ws://edge:1") == EdgeAddress(host: "edge", port: 1))
    }

    @Test("with TLS")
    func secure() {
        #expect(EdgeAddress("https://edge.example") == EdgeAddress(host: "edge.example", port: 443, isSecure: true))
        #expect(EdgeAddress("WSS://edge:1") == EdgeAddress(host: "edge", port: 1, isSecure: true))
        #expect(EdgeAddress("https://[::1]:8201")?.url == "https://[::1]:8201")
        #expect(EdgeAddress("https://edge:1") != EdgeAddress("http://edge:1"))
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "127.0.0.1:8201", "ftp://edge:1", "http://", "https://", "wss:/edge", "http://:80", "http://a:0",
            "http://a:65536",
            "http://a:+1",
            "http://a:", "http://a/b", "http://a b", "http://u@a", "http://a?b", "http://::1:80", "http://[::1",
            "http://[]:1",
            "http://[::1]x",
        ]
    )
    func invalid(_ text: String) {
        #expect(EdgeAddress(text) == nil)
    }
}
