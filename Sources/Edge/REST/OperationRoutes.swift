// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import NIOCore
internal import Observability

/// Health, metrics, the contract, and what is told to somebody who only knows the address.
enum OperationRoutes {
    /// The paths that are answered whatever is going on.
    private static let unlimitedPaths: Set<Substring> = ["/health", "/ready", "/metrics"]

    static func isUnlimited(path: Substring) -> Bool {
        self.unlimitedPaths.contains(path)
    }

    static func routes(_ environment: RESTInterface.Environment) -> [Route] {
        let yaml = "application/yaml"
        let documents: [(path: String, mediaType: String, bytes: ByteBuffer)] = [
            ("/openapi.yaml", yaml, ByteBuffer(bytes: PackageResources.openapi_yaml)),
            ("/asyncapi.yaml", yaml, ByteBuffer(bytes: PackageResources.asyncapi_yaml)),
            ("/binary.proto", "text/plain; charset=utf-8", ByteBuffer(bytes: PackageResources.binary_proto)),
        ]
        return [
            Route(.get, "/", .open) { (_) throws(Failure) in .text(Self.pointer) },
            Route(.get, "/health", .open, .unlimited) { (_) throws(Failure) in try .json(Health(status: "alive")) },
            Route(.get, "/ready", .open, .unlimited) { (_) throws(Failure) in
                let reasons = environment.unreadyReasons()
                guard !reasons.isEmpty else { return try .json(Readiness(ready: true, reasons: [])) }
                let failure = Failure(.unavailable, "This edge is not ready.", retryAfterMilliseconds: 1000)
                return .problem(UnreadyProblem(problem: Problem(failure), reasons: reasons), of: failure)
            },
            Route(.get, "/metrics", .open, .unlimited) { (_) throws(Failure) in
                .text(environment.metrics.render(), mediaType: MetricsRegistry.contentType)
            },
            Route(.get, WebSocketHandshake.path, .open) { (request) throws(Failure) in
                Self.webSocketRefusal(WebSocketHandshake(request.head))
            },
        ]
            + documents.map { document in
                Route(.get, document.path, .open) { (_) throws(Failure) in
                    RESTAnswer(status: 200, mediaType: document.mediaType, body: document.bytes)
                }
            }
    }

    /// The WebSocket's path, for requests that could not become one: they do not ask for it, or they are not the first
    /// of their connection.
    static func webSocketRefusal(_ handshake: WebSocketHandshake) -> RESTAnswer {
        do {
            _ = try handshake.accept()
            return .problem(
                Failure(.malformed, "A WebSocket is asked for with the first request of a connection: connect anew.")
            )
        } catch {
            var problem = Problem(error.failure)
            problem.status = error.status
            var answer = RESTAnswer.problem(problem, of: error.failure)
            answer.status = error.status
            for (name, value) in error.fields {
                guard let name = HTTPField.Name(name) else { continue }
                answer.headers[name] = value
            }
            return answer
        }
    }

    private static let pointer = """
        Trunkline. This is an edge: clients connect here.

        GET /openapi.yaml   the REST interface
        GET /asyncapi.yaml  the WebSocket at /ws
        GET /binary.proto   the same in a binary encoding
        GET /health         whether this process is alive
        GET /ready          whether it can serve clients
        GET /metrics        what it does, for Prometheus

        """

    private struct Health: Encodable {
        var status: String
    }

    private struct Readiness: Encodable {
        var ready: Bool
        var reasons: [String]
    }

    private struct UnreadyProblem: Encodable {
        var problem: Problem
        var reasons: [String]

        private enum CodingKeys: String, CodingKey {
            case reasons
        }

        func encode(to encoder: any Encoder) throws {
            try self.problem.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.reasons, forKey: .reasons)
        }
    }
}
