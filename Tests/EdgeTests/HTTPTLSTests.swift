// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOSSL
import Synchronization
import TestSupport
import Testing
import TransportSecurity

@testable import Edge

@Suite("An edge's port with TLS")
struct HTTPTLSTests {
    private static let node = CertifiedNode(cluster: "test", node: "edge-1")
    private static let upgrade = """
        GET /ws HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n
        """
    private static let health = "GET /health HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n"

    private let authority: TestAuthority
    private let certificates: LiveCertificates

    init() throws {
        self.authority = try TestAuthority()
        self.certificates = try self.authority.live(.clients, for: Self.node)
    }

    private func with(
        _ configure: (inout HTTPSettings) -> Void = { _ in },
        _ body: @Sendable (HTTPTestEdge) async throws -> Void
    ) async throws {
        try await HTTPTestEdge.with(
            {
                $0.certificates = self.certificates
                configure(&$0)
            },
            body
        )
    }

    @Test("REST and operations over TLS")
    func rest() async throws {
        try await self.with { edge in
            let socket = try await RawSocket(port: edge.port, tls: self.authority.clientContext())
            try await socket.send(Self.health)
            let answer = try await socket.answer(toHead: false)
            #expect(answer.status == 200)
            try await socket.close()
        }
    }

    @Test("A WebSocket over TLS, also with more than is written at once")
    func webSocket() async throws {
        try await self.with { edge in
            let socket = try await RawSocket(port: edge.port, tls: self.authority.clientContext())
            try await socket.send(Self.upgrade)
            try await socket.wait(for: "\r\n\r\n")
            let text = String(repeating: "0123456789", count: 30_000) + "the end"
            try await socket.send(text)
            try await socket.wait(for: "the end")
            #expect(socket.received.hasSuffix(text))
            #expect(edge.acceptor.state.withLock { $0.accepted.count } == 1)
            try await socket.close()
        }
    }

    @Test("Whoever speaks no TLS is cut off and counted")
    func plain() async throws {
        try await self.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(Self.health)
            try await socket.waitUntilClosed()
            #expect(!socket.received.contains("HTTP/1.1"))
            #expect(self.certificates.handshakesFailed == 1)
        }
    }

    @Test("Whoever says nothing is cut off when the time of a request is up")
    func silent() async throws {
        try await self.with({ $0.readTimeout = .milliseconds(50) }) { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.waitUntilClosed()
        }
    }

    @Test("A client that does not believe the authority goes away")
    func foreignAuthority() async throws {
        let other = try TestAuthority().clientContext()
        try await self.with { edge in
            let socket = try await RawSocket(port: edge.port, tls: other)
            try await socket.waitUntilClosed()
            try await eventually("it is counted") { self.certificates.handshakesFailed == 1 }
        }
    }

    @Test("After a change new connections see the new certificate, and old ones stay")
    func reload() async throws {
        let next = try TestAuthority()
        try await self.with { edge in
            let old = try await RawSocket(port: edge.port, tls: self.authority.clientContext())
            try await old.send(Self.upgrade + "before")
            try await old.wait(for: "before")
            try self.certificates.replace(with: next.set(for: Self.node))
            try await old.send("after")
            try await old.wait(for: "after")
            let stranger = try await RawSocket(port: edge.port, tls: self.authority.clientContext())
            try await stranger.waitUntilClosed()
            let new = try await RawSocket(port: edge.port, tls: next.clientContext())
            try await new.send(Self.health)
            #expect(try await new.answer(toHead: false).status == 200)
            try await old.send("still there")
            try await old.wait(for: "still there")
            try await old.close()
            try await new.close()
        }
    }

    @Test("Without certificates there is no further handler")
    func off() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(Self.upgrade + "x")
            try await socket.wait(for: "\r\n\r\nx")
            let channel = try #require(edge.acceptor.state.withLock { $0.accepted.first })
            let hasTLS = try await channel.eventLoop.submit {
                (try? channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self)) != nil
                    || (try? channel.pipeline.syncOperations.handler(type: TLSGuard.self)) != nil
            }.get()
            #expect(!hasTLS)
            try await socket.close()
        }
    }
}
