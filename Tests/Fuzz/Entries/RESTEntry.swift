// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import ClusterConfiguration
import Dispatch
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Messaging
import NIOCore
import NIOEmbedded
import Observability
import Placement
import Synchronization
import Wire

@testable import Edge

/// Requests to REST, once they are taken off the wire: paths, queries, tokens and bodies.
///
/// Input: a byte for the method, one for the token and for what routers answer, the target up to the end of its line,
/// then the body.
enum RESTEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let methods: [HTTPRequest.Method] = [.get, .post, .put, .delete, .head, .patch, .options]
        let method = methods[Int(input.byte()) % methods.count]
        let form = input.byte()
        let rest = input.remainder()
        let line = rest.prefix { $0 != UInt8(ascii: "\n") }
        // What is no token of HTTP does not come past its parser.
        guard line.allSatisfy({ (0x21...0x7E).contains($0) }) else { return }
        var head = HTTPRequest(
            method: method,
            scheme: "http",
            authority: "edge",
            path: "/" + String(decoding: line, as: UTF8.self)
        )
        switch form & 3 {
        case 0, 1: head.headerFields[.authorization] = "Bearer " + OneToken.text
        case 2: head.headerFields[.authorization] = "Bearer expired"
        default: break
        }
        let answersNothing = form & 4 != 0
        let routers = EmptyRouters(answersNothing: answersNothing)
        let answer = try Self.answer(head, ByteBuffer(bytes: rest.dropFirst(line.count + 1)), routers)
        try Self.check(answer, method: method, routers: routers)
    }

    private struct Answer: Sendable {
        var head: HTTPResponse
        var body: ByteBuffer
    }

    private static func check(_ answer: Answer, method: HTTPRequest.Method, routers: EmptyRouters) throws {
        let status = answer.head.status.code
        let isHead = method == .head
        if isHead || status == 204 {
            try require(answer.body.readableBytes == 0, "\(status) with a body")
        }
        guard status >= 400, !isHead else {
            return try require(isHead || (200...204).contains(status), "status \(status)")
        }
        try require(answer.head.headerFields[.contentType] == Problem.mediaType, "\(status) is no problem")
        let problem = try JSONBody.decode(Problem.self, from: answer.body.readableBytesView)
        try require(problem.status == status, "\(problem) with status \(status)")
        try require(status == problem.code.httpStatus || status == 426, "\(problem) with status \(status)")
        try require(status != 500, "an internal error: \(problem)")
        try require(answer.body.readableBytes <= 2048, "a problem of \(answer.body.readableBytes) bytes")
        switch problem.code {
        case .malformed, .missingField, .invalidField, .methodNotAllowed:
            try require(routers.calls == 0, "routers were asked before the input was checked")
        default: break
        }
    }

    // MARK: - The interface

    private static let channel = EmbeddedChannel()
    private static let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
    private static let current = Mutex(EmptyRouters(answersNothing: true))

    private static let interface = {
        let routers = CurrentRouters { current.withLock { $0 } }
        let admission = AdmissionControl(
            ClusterSettings.Rates(),
            waitMax: .seconds(20),
            metrics: MetricsRegistry()
        )
        return RESTInterface(
            RESTInterface.Environment(
                routers: routers,
                accounts: Accounts(
                    routers: routers,
                    tokens: AccessTokens(
                        secret: [UInt8](repeating: 7, count: 32),
                        issuer: "fuzz",
                        lifetime: .seconds(60)
                    ),
                    hasher: PasswordHasher(
                        cost: ScryptCost(log2N: 1, blockSize: 1, parallelism: 1),
                        concurrent: 1,
                        queuedMax: 16
                    ),
                    admission: admission,
                    refreshLifetime: .seconds(60)
                ),
                tokens: OneToken(),
                admission: admission,
                metrics: MetricsRegistry(),
                bodyBytesMax: 1024,
                unreadyReasons: { [] }
            )
        )
    }()

    private static func answer(_ head: HTTPRequest, _ body: ByteBuffer, _ routers: EmptyRouters) throws -> Answer {
        Self.current.withLock { $0 = routers }
        let context = RESTContext(source: ApplicationRequestContextSource(channel: Self.channel, logger: Self.logger))
        let request = Request(head: head, body: RequestBody(buffer: body))
        return try Self.wait { () async throws in
            let response = try await Self.interface.responder.respond(to: request, context: context)
            let collected = CollectedBody()
            try await response.body.write(collected)
            return Answer(head: response.head, body: collected.bytes)
        }
    }

    /// The calling thread belongs to nobody else.
    private static func wait<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
        let box = ResultBox<Value>()
        let done = DispatchSemaphore(value: 0)
        Task {
            do {
                box.set(.success(try await work()))
            } catch {
                box.set(.failure(error))
            }
            done.signal()
        }
        done.wait()
        return try box.take()
    }
}

private final class ResultBox<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)

    func set(_ result: Result<Value, any Error>) {
        self.result.withLock { $0 = result }
    }

    func take() throws -> Value {
        guard let result = self.result.withLock({ $0 }) else { throw PropertyViolation("no answer") }
        return try result.get()
    }
}

private final class CollectedBody: ResponseBodyWriter, Sendable {
    private let collected = Mutex(ByteBuffer())

    var bytes: ByteBuffer { self.collected.withLock { $0 } }

    func write(_ buffer: ByteBuffer) async throws {
        self.collected.withLock { _ = $0.writeImmutableBuffer(buffer) }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
