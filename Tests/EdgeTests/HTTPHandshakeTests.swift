// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("Opening a WebSocket")
struct HTTPHandshakeTests {
    private static let good = """
        GET /ws HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n
        """

    @Test("The example of RFC 6455 §1.3")
    func example() throws {
        let handshake = WebSocketHandshake(
            method: "GET",
            upgrade: ["websocket"],
            connection: ["Upgrade"],
            keys: ["dGhlIHNhbXBsZSBub25jZQ=="],
            versions: ["13"]
        )
        #expect(try handshake.accept() == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test("Tokens of header fields are compared without case and among others")
    func tokens() throws {
        let handshake = WebSocketHandshake(
            method: "GET",
            upgrade: ["h2c, WebSocket"],
            connection: ["keep-alive", "x , UPGRADE\t"],
            keys: ["dGhlIHNhbXBsZSBub25jZQ=="],
            versions: ["13"]
        )
        #expect(throws: Never.self) { try handshake.accept() }
    }

    @Test("A good handshake gets its 101, and the acceptor the connection and every byte after it")
    func upgrade() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(Self.good + "first bytes")
            try await socket.wait(for: "first bytes")
            let head = socket.received
            #expect(head.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(head.lowercased().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"))
            #expect(head.lowercased().contains("\r\nupgrade: websocket\r\n"))
            #expect(!head.lowercased().contains("sec-websocket-protocol"))
            try await socket.send("second bytes")
            try await socket.wait(for: "second bytes")
            #expect(edge.acceptor.state.withLock { $0.accepted.count } == 1)
            try await socket.close()
        }
    }

    @Test(
        "The first subprotocol that is known is agreed on, and spoken",
        arguments: [
            ("trunkline.v1.binary", .binary), ("trunkline.v1.json, trunkline.v1.binary", .json),
            ("chat, trunkline.v1.binary", .binary), ("chat", nil),
        ] as [(String, ClientSubprotocol?)]
    )
    func subprotocol(offer: String, agreed: ClientSubprotocol?) async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            let request = Self.good.replacing(
                "Upgrade: websocket",
                with: "Upgrade: websocket\r\nSec-WebSocket-Protocol: \(offer)"
            )
            #expect(request.contains(offer))
            try await socket.send(request + "ready")
            try await socket.wait(for: "ready")
            let head = socket.received.lowercased()
            #expect(head.hasPrefix("http/1.1 101 "))
            if let agreed {
                #expect(head.contains("\r\nsec-websocket-protocol: \(agreed.rawValue)\r\n"))
            } else {
                #expect(!head.contains("sec-websocket-protocol"))
            }
            #expect(edge.acceptor.state.withLock { $0.spoken } == [agreed ?? .json])
            try await socket.close()
        }
    }

    @Test("Only the session's handlers are left on a WebSocket")
    func pipeline() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(Self.good + "ready")
            try await socket.wait(for: "ready")
            let channel = try #require(edge.acceptor.state.withLock { $0.accepted.first })
            for type in [FirstRequestHandler.self] {
                await #expect(throws: (any Error).self) {
                    try await channel.eventLoop.submit { _ = try channel.pipeline.syncOperations.handler(type: type) }
                        .get()
                }
            }
            await #expect(throws: (any Error).self) {
                try await channel.eventLoop.submit {
                    _ = try channel.pipeline.syncOperations.handler(type: HTTPResponseEncoder.self)
                }.get()
            }
            #expect(try await channel.getOption(.allowRemoteHalfClosure).get() == false)
            try await socket.close()
        }
    }

    private static func changed(_ part: String, _ other: String) -> String {
        Self.good.replacing(part, with: other)
    }

    private static let refusals: [(String, String, Int, String)] = [
        ("no handshake at all", "", 426, "malformed"),
        ("version 8", changed("Version: 13", "Version: 8"), 426, "malformed"),
        ("no version", changed("Sec-WebSocket-Version: 13\r\n", ""), 426, "malformed"),
        ("no key", changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400, "malformed"),
        ("a short key", changed("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="), 400, "malformed"),
        ("a key that is no base64", changed("dGhlIHNhbXBs", "!!!!!!!!!!!!"), 400, "malformed"),
        (
            "two keys", changed("Upgrade: w", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUpgrade: w"), 400,
            "malformed"
        ),
        ("no Connection", changed("Connection: Upgrade\r\n", ""), 426, "malformed"),
        ("another protocol", changed("Upgrade: websocket", "Upgrade: h2c"), 426, "malformed"),
        ("POST", changed("GET /ws", "POST /ws"), 405, "method_not_allowed"),
        ("another path", changed("GET /ws", "GET /socket"), 404, "not_found"),
        ("HTTP/1.0", changed("HTTP/1.1", "HTTP/1.0"), 426, "malformed"),
    ]

    @Test("A bad handshake is answered with a problem, and no session begins", arguments: refusals)
    func refused(_ name: String, _ request: String, _ status: Int, _ code: String) async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(request.isEmpty ? "GET /ws HTTP/1.1\r\nHost: edge\r\n\r\n" : request)
            let answer = try await socket.answer()
            #expect(answer.status == status, "\(name): \(answer.text)")
            #expect(answer.code == code, "\(name)")
            #expect(answer.headers["content-type"] == "application/problem+json")
            #expect(answer.headers["sec-websocket-version"] == (status == 426 ? "13" : nil))
            #expect(edge.acceptor.state.withLock { $0.accepted.isEmpty })
            try await socket.close()
        }
    }

    @Test("A full edge says so before the upgrade, and how long to wait")
    func full() async throws {
        try await HTTPTestEdge.with { edge in
            edge.acceptor.state.withLock { $0.isFull = true }
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(Self.good)
            let answer = try await socket.answer()
            #expect(answer.status == 503)
            #expect(answer.code == "overloaded")
            #expect(answer.headers["retry-after"] == "1")
            #expect(answer.json?["retry_after_ms"] == .integer(1000))
            try await socket.close()
        }
    }

    @Test("A connection that spoke HTTP before does not become a WebSocket")
    func secondRequest() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
            #expect(try await socket.answer().status == 200)
            try await socket.send(Self.good)
            let answer = try await socket.answer()
            #expect(answer.status == 400)
            #expect(answer.code == "malformed")
            #expect(edge.acceptor.state.withLock { $0.accepted.isEmpty })
            try await socket.close()
        }
    }

    @Test("A wish for a protocol that is not spoken here is passed over", arguments: ["h2c", "websocket", "TLS/1.0"])
    func passedOver(_ name: String) async throws {
        try await HTTPTestEdge.with { edge in
            let fields =
                "Host: edge\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: \(name)\r\nHTTP2-Settings: AAMAAABk\r\n"
            let socket = try await RawSocket(port: edge.port)
            try await socket.send("GET /health HTTP/1.1\r\n\(fields)\r\n")
            let answer = try await socket.answer()
            #expect(answer.status == 200)
            // After such a wish nothing can be read on the connection, so the client is told to make a new one.
            #expect(answer.headers["connection"] == "close")
            try await socket.waitUntilClosed()

            let second = try await RawSocket(port: edge.port)
            try await second.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
            #expect(try await second.answer().status == 200)
            let body = #"{"username":"nobody","password":"password"}"#
            try await second.send(
                "POST /api/auth/login HTTP/1.1\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            #expect(try await second.answer().code == "invalid_credentials")
            try await second.waitUntilClosed()
        }
    }
}
