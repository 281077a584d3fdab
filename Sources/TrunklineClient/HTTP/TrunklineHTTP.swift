// SPDX-License-Identifier: Apache-2.0

internal import AsyncHTTPClient
internal import ClientProtocol
internal import Messaging
package import NIOCore
internal import NIOHTTP1
internal import NIOPosix

#if canImport(Glibc)
    internal import Glibc
#endif

/// The REST interface of a cluster, through any of its edges.
///
/// May be used from any thread; answers arrive on the event loop that is named. A request goes to one edge and, when
/// that one does not answer or asks to wait, after a pause to the next, as ``RepeatRule`` allows.
package struct TrunklineHTTP: Sendable {
    package struct Settings: Sendable {
        package var connectTimeout = TimeAmount.seconds(3)
        /// Of one attempt.
        package var requestTimeout = TimeAmount.seconds(20)
        package var repeatRule = RepeatRule()
        /// Bytes of one answer: a page of 200 messages of 64 KiB fits.
        package var answerBytesMax = 16 * 1024 * 1024
        /// Connections to one edge; more requests wait.
        package var connectionsPerEdgeMax = 8

        /// Of edges that are spoken to over TLS.
        package var trust = EdgeTrust.system

        package init() {}
    }

    package let edges: [EdgeAddress]
    package let settings: Settings
    private let client: HTTPClient
    let eventLoops: any EventLoopGroup

    /// - Parameters:
    ///   - edges: At least one.
    ///   - eventLoops: Where connections live; they have to outlive ``shutDown()``, which has to be called.
    package init(edges: [EdgeAddress], eventLoops: any EventLoopGroup, settings: Settings) {
        precondition(!edges.isEmpty, "at least one edge is needed")
        self.edges = edges
        self.eventLoops = eventLoops
        self.settings = settings
        self.client = HTTPClient(
            eventLoopGroupProvider: .shared(eventLoops),
            configuration: Self.configuration(settings)
        )
    }

    private static func configuration(_ settings: Settings) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: settings.connectTimeout, read: settings.requestTimeout)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.connectionsPerEdgeMax
        // The rule of this type decides about that, and takes another edge.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        configuration.tlsConfiguration = settings.trust.configuration
        return configuration
    }

    /// Closes the connections; what is still under way fails.
    package func shutDown() async {
        // It fails only when it was done before.
        try? await self.client.shutdown()
    }

    // MARK: - Calls

    /// One request, to any edge.
    struct Call: Sendable {
        var method: HTTPMethod
        /// With the query, percent-encoded.
        var path: String
        var token: String?
        var body: [UInt8]?
        var scope: RepeatRule.Scope
    }

    /// - Parameter edge: The index of the edge that is asked first.
    func perform<Answer: Decodable & Sendable>(
        _ call: Call,
        _ answer: Answer.Type,
        edge: Int,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<Answer> {
        self.bytes(call, edge: edge, on: eventLoop).flatMapThrowing { (bytes: ByteBuffer) in
            do throws(Failure) {
                return try JSONBody.decode(Answer.self, from: bytes.readableBytesView)
            } catch {
                throw TrunklineError(
                    .protocolViolation,
                    "The answer to \(call.path) was not understood: \(error.message)"
                )
            }
        }
    }

    /// As ``perform(_:_:edge:on:)``, for answers that are no JSON.
    func bytes(_ call: Call, edge: Int, on eventLoop: any EventLoop) -> EventLoopFuture<ByteBuffer> {
        eventLoop.flatSubmit {
            self.attempt(1, call, edge: edge, startedAt: .now(), on: eventLoop)
        }
    }

    /// As ``perform(_:_:edge:on:)``, for callers that are not on an event loop.
    func perform<Answer: Decodable & Sendable>(
        _ call: Call,
        _ answer: Answer.Type,
        edge: Int
    ) async throws(TrunklineError) -> Answer {
        do {
            return try await self.perform(call, answer, edge: edge, on: self.eventLoops.next()).get()
        } catch {
            throw TrunklineError(requestFailure: error)
        }
    }

    private func attempt(
        _ attempt: Int,
        _ call: Call,
        edge: Int,
        startedAt: NIODeadline,
        on eventLoop: any EventLoop
    ) -> EventLoopFuture<ByteBuffer> {
        self.once(call, self.edges[edge % self.edges.count], on: eventLoop).flatMapError { error in
            let failure = TrunklineError(requestFailure: error)
            var generator = SystemRandomNumberGenerator()
            let pause = self.settings.repeatRule.pause(
                afterAttempt: attempt,
                error: failure,
                scope: call.scope,
                elapsed: .now() - startedAt,
                using: &generator
            )
            guard let pause else { return eventLoop.makeFailedFuture(failure) }
            return eventLoop.flatScheduleTask(in: pause) {
                self.attempt(attempt + 1, call, edge: edge + 1, startedAt: startedAt, on: eventLoop)
            }.futureResult
        }
    }

    private func once(_ call: Call, _ edge: EdgeAddress, on eventLoop: any EventLoop) -> EventLoopFuture<ByteBuffer> {
        var headers = HTTPHeaders([("Accept", "application/json")])
        if call.body != nil { headers.add(name: "Content-Type", value: "application/json") }
        if let token = call.token { headers.add(name: "Authorization", value: "Bearer \(token)") }
        let request: HTTPClient.Request
        do {
            request = try HTTPClient.Request(
                url: edge.url + call.path,
                method: call.method,
                headers: headers,
                body: call.body.map { .bytes($0) }
            )
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
        let accumulator = ResponseAccumulator(request: request, maxBodySize: self.settings.answerBytesMax)
        return self.client.execute(
            request: request,
            delegate: accumulator,
            eventLoop: .delegateAndChannel(on: eventLoop),
            deadline: .now() + self.settings.requestTimeout
        ).futureResult.flatMapThrowing { response in
            let body = response.body ?? ByteBuffer()
            guard (200..<300).contains(response.status.code) else {
                throw TrunklineError(status: Int(response.status.code), body: body, headers: response.headers)
            }
            return body
        }
    }
}

extension TrunklineError {
    /// An answer that is no success: a problem (RFC 9457) as edges send it, or whatever stands between.
    init(status: Int, body: ByteBuffer, headers: HTTPHeaders) {
        if let problem = try? JSONBody.decode(Problem.self, from: body.readableBytesView) {
            self.init(problem.failure, status: status)
            return
        }
        let code: ErrorCode =
            switch status {
            case 401: .unauthenticated
            case 404: .notFound
            case 413: .tooLarge
            case 429: .rateLimited
            case 502, 503: .unavailable
            case 504: .outcomeUnknown
            case 500...: .internal
            default: .malformed
            }
        let seconds = headers.first(name: "Retry-After").flatMap { UInt32($0) }
        self.init(
            .server(code),
            "The answer was no problem document.",
            retryAfterMilliseconds: seconds.map { $0.multipliedReportingOverflow(by: 1000) }
                .flatMap { $0.overflow ? nil : $0.partialValue },
            status: status
        )
    }

    /// What went wrong on the way to an answer.
    init(requestFailure error: any Error) {
        if let failure = TrunklineError(handshakeFailure: error) {
            self = failure
            return
        }
        switch error {
        case let error as TrunklineError:
            self = error
        case is NIOConnectionError:
            self.init(.notConnected, "No connection was made: \(error)")
        case ChannelError.connectTimeout:
            self.init(.notConnected, "No connection was made in time.")
        case let error as IOError where error.errnoCode == ECONNREFUSED:
            self.init(.notConnected, "No connection was made: \(error)")
        case let error as HTTPClientError
        where error == .connectTimeout || error == .getConnectionFromPoolTimeout || error == .tlsHandshakeTimeout:
            self.init(.notConnected, "No connection was made in time.")
        case let error as HTTPClientError
        where error == .deadlineExceeded || error == .readTimeout || error == .writeTimeout:
            self.init(.timedOut, "No answer in time.")
        case is ResponseAccumulator.ResponseTooBigError:
            self.init(.protocolViolation, "The answer is larger than this client takes.")
        default:
            self.init(.connectionLost, "The connection ended before the answer: \(error)")
        }
    }
}
