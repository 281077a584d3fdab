// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import TransportSecurity

/// Asks nodes over HTTP: one request on a connection of its own.
struct NodeHTTP: Sendable {
    struct Answer: Sendable {
        var status: Int
        var body: String
        /// The `Date` of the answer (RFC 9110 §6.6.1).
        var date: String?
    }

    let group: any EventLoopGroup
    /// For the whole of a request.
    let timeout: Duration
    /// A larger answer is an error.
    var bodyBytesMax = 64 << 10

    /// - Parameter tls: nil for a node that speaks none.
    /// - Throws: `OperationsError`, which says what came instead of an answer.
    func send(
        _ method: HTTPMethod,
        _ path: String,
        fields: [(String, String)] = [],
        body: String = "",
        to address: NetworkAddress,
        over tls: NIOSSLContext? = nil
    ) async throws(OperationsError) -> Answer {
        let finished = OneShot<Result<Answer, OperationsError>>()
        let result = await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    finished.set(.success(try await self.exchange(method, path, fields, body, address, tls)))
                } catch {
                    finished.set(.failure(Self.failure(error)))
                }
            }
            let result = await finished.wait(atMost: self.timeout)
            group.cancelAll()
            return result
        }
        guard let result else {
            throw OperationsError("no answer within \(self.timeout)", remedy: "see the node's log")
        }
        return try result.get()
    }

    private func exchange(
        _ method: HTTPMethod,
        _ path: String,
        _ fields: [(String, String)],
        _ body: String,
        _ address: NetworkAddress,
        _ tls: NIOSSLContext?
    ) async throws -> Answer {
        // A node that listens everywhere is asked on this machine.
        let host = address.isWildcard ? (address.host == "::" ? "::1" : "127.0.0.1") : address.host
        let channel = try await ClientBootstrap(group: self.group)
            .connectTimeout(TimeAmount(self.timeout))
            .connect(host: host, port: address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls {
                        try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: nil))
                    }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: self.bodyBytesMax))
                    return try NIOAsyncChannel<NIOHTTPClientResponseFull, HTTPClientRequestPart>(
                        wrappingChannelSynchronously: channel
                    )
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
            head.headers.add(name: "host", value: address.description)
            head.headers.add(name: "connection", value: "close")
            head.headers.add(contentsOf: fields)
            if !body.isEmpty {
                head.headers.add(name: "content-type", value: "application/json")
                head.headers.add(name: "content-length", value: String(body.utf8.count))
            }
            try await outbound.write(contentsOf: [.head(head), .body(.byteBuffer(ByteBuffer(string: body))), .end(nil)])
            for try await response in inbound {
                return Answer(
                    status: Int(response.head.status.code),
                    body: response.body.map { String(buffer: $0) } ?? "",
                    date: response.head.headers.first(name: "date")
                )
            }
            throw OperationsError("the connection was closed without an answer", remedy: "see the node's log")
        }
    }

    private static func failure(_ error: any Error) -> OperationsError {
        (error as? OperationsError) ?? OperationsError(Self.text(of: error), remedy: "see whether the node runs")
    }

    /// See ``NodeTrust`` for what is believed.
    private static func text(ofTLS text: String) -> String {
        guard text == TLSFailure.notAccepted else { return text }
        return
            "its certificate has expired, or nobody that is believed here has signed it: set tls.mesh.authority, or put "
            + "the authority at the end of the file that tls.clients.certificate names"
    }

    private static func text(of error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { Self.text(of: $0.error) }
                ?? "no address of \(error.host) could be used"
        case let error as IOError:
            String(cString: strerror(error.errnoCode))
        case is NIOSSLError, is BoringSSLError:
            Self.text(ofTLS: TLSFailure.text(of: error, now: Date()) ?? "\(error)")
        default:
            "\(error)"
        }
    }
}
