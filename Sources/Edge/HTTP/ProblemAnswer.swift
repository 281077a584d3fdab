// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import NIOHTTP1

/// A whole answer with a problem, for requests that never reach a route. The connection ends with it.
struct ProblemAnswer {
    let head: HTTPResponseHead
    let body: ByteBuffer

    /// - Parameters:
    ///   - status: where another one fits better than the code's.
    ///   - fields: more header fields.
    init(_ failure: Failure, status: Int? = nil, fields: HTTPHeaders = [:]) {
        var problem = Problem(failure)
        problem.status = status ?? problem.status
        self.body = ByteBuffer(bytes: (try? JSONBody.encode(problem)) ?? [])
        var headers = fields
        headers.add(name: "Content-Type", value: Problem.mediaType)
        headers.add(name: "Content-Length", value: String(self.body.readableBytes))
        headers.add(name: "Connection", value: "close")
        if let milliseconds = failure.retryAfterMilliseconds {
            headers.add(name: "Retry-After", value: String(RetryAfter.seconds(milliseconds)))
        }
        headers.add(name: "X-Content-Type-Options", value: "nosniff")
        headers.add(name: "Cache-Control", value: "no-store")
        self.head = HTTPResponseHead(
            version: .http1_1,
            status: HTTPResponseStatus(statusCode: problem.status),
            headers: headers
        )
    }
}

/// The value of `Retry-After` (RFC 9110 §10.2.3).
enum RetryAfter {
    /// Whole seconds, rounded up so that nobody comes early.
    static func seconds(_ milliseconds: UInt32) -> UInt64 {
        (UInt64(milliseconds) + 999) / 1000
    }
}
