// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import NIOCore

/// What a route answers.
struct RESTAnswer: Sendable {
    var status: Int
    var headers: HTTPFields
    var body: ByteBuffer

    static let noContent = RESTAnswer(status: 204, headers: [:], body: ByteBuffer())

    static func json(_ value: some Encodable, status: Int = 200) throws(Failure) -> RESTAnswer {
        .init(status: status, mediaType: "application/json", body: ByteBuffer(bytes: try Self.encode(value)))
    }

    static func text(_ text: String, mediaType: String = "text/plain; charset=utf-8") -> RESTAnswer {
        .init(status: 200, mediaType: mediaType, body: ByteBuffer(string: text))
    }

    /// A problem (RFC 9457), with the header fields that belong to its code.
    static func problem(_ failure: Failure) -> RESTAnswer {
        Self.problem(Problem(failure), of: failure)
    }

    /// A problem with more members than the common ones.
    static func problem(_ body: some Encodable, of failure: Failure) -> RESTAnswer {
        var answer = RESTAnswer(
            status: failure.code.httpStatus,
            mediaType: Problem.mediaType,
            body: ByteBuffer(bytes: (try? Self.encode(body)) ?? [])
        )
        if let milliseconds = failure.retryAfterMilliseconds {
            answer.headers[.retryAfter] = String(RetryAfter.seconds(milliseconds))
        }
        switch failure.code {
        case .unauthenticated:
            answer.headers[.wwwAuthenticate] = #"Bearer realm="trunkline""#
        case .tokenExpired:
            answer.headers[.wwwAuthenticate] = #"Bearer realm="trunkline", error="invalid_token""#
        default:
            break
        }
        return answer
    }

    init(status: Int, mediaType: String, body: ByteBuffer) {
        self.init(status: status, headers: [.contentType: mediaType], body: body)
    }

    init(status: Int, headers: HTTPFields, body: ByteBuffer) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    private static func encode(_ value: some Encodable) throws(Failure) -> [UInt8] {
        do {
            return try JSONBody.encode(value)
        } catch {
            throw Failure(.internal, "The answer could not be written.")
        }
    }
}
