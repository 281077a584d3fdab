// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Edge

@Suite("The port of an edge")
struct HTTPFrontTests {
    @Test("Several requests go over one connection, pipelined or not")
    func keepAlive() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            let request = "GET /health HTTP/1.1\r\nHost: edge\r\n\r\n"
            try await socket.send(request)
            #expect(try await socket.answer().status == 200)
            try await socket.send(request + request + request)
            for _ in 0..<3 {
                #expect(try await socket.answer().status == 200)
            }
            #expect(!socket.isClosed)
            try await socket.close()
        }
    }

    @Test(
        "A request that does not arrive in time costs its connection",
        arguments: [
            "",
            "GET /health HT",
            "GET /health HTTP/1.1\r\nHost: edge\r\nX-Slow: ",
            "POST /api/auth/login HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\n{",
            "GET /ws HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 5\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        ]
    )
    func slow(_ start: String) async throws {
        try await HTTPTestEdge.with { settings in
            settings.readTimeout = .milliseconds(300)
        } _: { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send(start)
            try await socket.waitUntilClosed()
            #expect(edge.acceptor.state.withLock { $0.accepted.isEmpty })
        }
    }

    @Test("A body that drips does not buy time")
    func dripping() async throws {
        try await HTTPTestEdge.with { settings in
            settings.readTimeout = .milliseconds(400)
        } _: { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send("POST /api/auth/login HTTP/1.1\r\nHost: edge\r\nContent-Length: 5000\r\n\r\n")
            try await eventually("the edge gives up") {
                await socket.trySend(" ")
                return socket.isClosed
            }
        }
    }

    @Test("An idle connection is closed")
    func idle() async throws {
        try await HTTPTestEdge.with { settings in
            settings.idleTimeout = .milliseconds(200)
        } _: { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
            #expect(try await socket.answer().status == 200)
            try await socket.waitUntilClosed()
        }
    }

    @Test(
        "What is not HTTP gets a problem and the end of the connection",
        arguments: [
            "garbage\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n", "GET /health\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost edge\r\n\r\n", "GET /health HTTP/9.9\r\n\r\n",
        ]
    )
    func garbage(_ text: String) async throws {
        try await HTTPTestEdge.with { edge in
            for warmUp in ["", "GET /health HTTP/1.1\r\nHost: edge\r\n\r\n"] {
                let socket = try await RawSocket(port: edge.port)
                if !warmUp.isEmpty {
                    try await socket.send(warmUp)
                    #expect(try await socket.answer().status == 200)
                }
                try await socket.send(text)
                let answer = try await socket.answer()
                #expect(answer.status == 400)
                #expect(answer.code == "malformed")
                #expect(answer.headers["content-type"] == "application/problem+json")
                try await socket.waitUntilClosed()
            }
        }
    }

    @Test("Header fields over their bound are refused")
    func largeHead() async throws {
        try await HTTPTestEdge.with { edge in
            for warmUp in [false, true] {
                let socket = try await RawSocket(port: edge.port)
                if warmUp {
                    try await socket.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
                    #expect(try await socket.answer().status == 200)
                }
                let field = String(repeating: "x", count: 20_000)
                await socket.trySend("GET /health HTTP/1.1\r\nHost: edge\r\nX-Large: \(field)\r\n\r\n")
                let answer = try await socket.answer()
                #expect(answer.status == 413)
                #expect(answer.code == "too_large")
                try await socket.waitUntilClosed()
            }
        }
    }

    @Test("A body over its bound is refused, declared or not, and its sender can read why")
    func largeBody() async throws {
        try await HTTPTestEdge.with { edge in
            let declared = try await RawSocket(port: edge.port)
            try await declared.send("POST /api/auth/login HTTP/1.1\r\nHost: edge\r\nContent-Length: 100001\r\n\r\n")
            #expect(try await declared.answer().code == "too_large")
            try await declared.waitUntilClosed()

            let chunked = try await RawSocket(port: edge.port)
            try await chunked.send("POST /api/auth/login HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "2000\r\n" + String(repeating: " ", count: 0x2000) + "\r\n"
            for _ in 0..<20 {
                await chunked.trySend(chunk)
            }
            let answer = try await chunked.answer()
            #expect(answer.status == 413)
            #expect(answer.code == "too_large")
            try await chunked.waitUntilClosed()
        }
    }

    @Test("A body at its bound is read")
    func largestBody() async throws {
        try await HTTPTestEdge.with { edge in
            let body = #"{"username":"nobody","password":"password"}"#
            let padded = body + String(repeating: " ", count: 100_000 - body.utf8.count)
            let answer = try await edge.ask("POST", "/api/auth/login", json: padded)
            #expect(answer.code == "invalid_credentials")
        }
    }

    @Test("A client that goes away in the middle of a body harms nobody")
    func aborted() async throws {
        try await HTTPTestEdge.with { edge in
            let socket = try await RawSocket(port: edge.port)
            try await socket.send("POST /api/auth/login HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\n{")
            try await socket.close()
            #expect(try await edge.ask("GET", "/health").status == 200)
        }
    }

    @Test("Beyond the bound a connection waits until another one goes")
    func connectionBound() async throws {
        try await HTTPTestEdge.with { settings in
            settings.connectionsMax = 2
        } _: { edge in
            var sockets: [RawSocket] = []
            for _ in 0..<2 {
                let socket = try await RawSocket(port: edge.port)
                try await socket.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
                #expect(try await socket.answer().status == 200)
                sockets.append(socket)
            }
            let waiting = try await RawSocket(port: edge.port)
            try await waiting.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
            for _ in 0..<20 {
                try await sockets[0].send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
                #expect(try await sockets[0].answer().status == 200)
            }
            #expect(waiting.received.isEmpty)
            try await sockets[0].close()
            #expect(try await waiting.answer().status == 200)
            try await waiting.close()
            try await sockets[1].close()
        }
    }

    @Test("A port that is taken is named, with the key to change")
    func portInUse() async throws {
        try await HTTPTestEdge.with { edge in
            let taken = edge.port
            let error = await #expect(throws: ListenError.self) {
                try await HTTPTestEdge.with { settings in
                    settings.port = taken
                } _: { _ in
                }
            }
            #expect(error?.description.contains("nodes.edge-1.http") == true, "\(String(describing: error))")
            #expect(error?.description.contains("127.0.0.1:\(taken) is in use") == true)
        }
    }

    @Test("An address of another machine is named, with the key to change")
    func foreignAddress() async throws {
        let error = await #expect(throws: ListenError.self) {
            try await HTTPTestEdge.with { settings in
                settings.host = "192.0.2.1"
            } _: { _ in
            }
        }
        #expect(error?.description.contains("is not an address of this machine") == true)
    }

    @Test("Stopping answers what is under way and closes the rest")
    func stop() async throws {
        let (idle, half) = try await HTTPTestEdge.with { edge in
            let idle = try await RawSocket(port: edge.port)
            try await idle.send("GET /health HTTP/1.1\r\nHost: edge\r\n\r\n")
            #expect(try await idle.answer().status == 200)
            let half = try await RawSocket(port: edge.port)
            try await half.send("GET /health HTTP/1.1\r\n")
            return (idle, half)
        }
        try await idle.waitUntilClosed()
        try await half.waitUntilClosed()
    }
}
