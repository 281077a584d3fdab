// SPDX-License-Identifier: Apache-2.0

package import Messaging

/// The body of a REST error, `application/problem+json` (RFC 9457).
package struct Problem: Codable, Hashable, Sendable {
    package static let mediaType = "application/problem+json"

    /// A relative reference that names the code; it need not lead anywhere.
    package var type: String
    /// The code in words.
    package var title: String
    package var status: Int
    package var detail: String
    package var code: ErrorCode
    package var retryAfterMilliseconds: UInt32?

    package init(_ failure: Failure) {
        self.type = "/problems/\(failure.code.name)"
        self.title = failure.code.name.split(separator: "_").joined(separator: " ")
        self.status = failure.code.httpStatus
        self.detail = failure.message
        self.code = failure.code
        self.retryAfterMilliseconds = failure.retryAfterMilliseconds
    }

    package var failure: Failure {
        Failure(self.code, self.detail, retryAfterMilliseconds: self.retryAfterMilliseconds)
    }

    private enum CodingKeys: String, CodingKey {
        case type
        case title
        case status
        case detail
        case code
        case retryAfterMilliseconds = "retry_after_ms"
    }
}
