// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import Messaging

/// Why a request to the admin interface was not carried out: a problem of RFC 9457.
struct AdminProblem: Error, Codable, Sendable, Equatable {
    var title: String
    var status: Int
    /// What is wrong: one sentence.
    var detail: String
    /// What to do.
    var remedy: String?
    /// Of what concerns a node: whether this router has a link to it. Of programs before this was told, nil.
    var isLinked: Bool?

    private enum CodingKeys: String, CodingKey {
        case title, status, detail, remedy
        case isLinked = "linked"
    }

    init(_ status: HTTPResponse.Status, _ detail: String, remedy: String? = nil, isLinked: Bool? = nil) {
        self.title = status.reasonPhrase
        self.status = status.code
        self.detail = detail
        self.remedy = remedy
        self.isLinked = isLinked
    }

    init(_ error: OperationsError) {
        let status: HTTPResponse.Status =
            switch error.kind {
            case .failed: .serviceUnavailable
            case .invalid: .badRequest
            case .notFound: .notFound
            case .refused: .conflict
            }
        self.init(status, error.message, remedy: error.remedy)
    }

    init(_ failure: Failure, isLinked: Bool? = nil) {
        self.init(.init(code: failure.code.httpStatus), failure.message, isLinked: isLinked)
    }

    /// Nil for anything else.
    init?(json: String) {
        guard let problem = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
        self = problem
    }

    var json: String {
        (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}
