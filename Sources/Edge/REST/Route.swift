// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
internal import Messaging

/// One operation of the REST interface.
struct Route: Sendable {
    enum Access: Sendable {
        /// Without a token.
        case open
        /// With `Authorization: Bearer`.
        case bearer
    }

    typealias Handler = @Sendable (RESTRequest) async throws(Failure) -> RESTAnswer

    let method: HTTPRequest.Method
    /// As in the OpenAPI document: `/api/users/{user_id}`.
    let template: String
    let access: Access
    let load: RequestLoad
    let handler: Handler

    init(
        _ method: HTTPRequest.Method,
        _ template: String,
        _ access: Access,
        _ load: RequestLoad = .standard,
        _ handler: @escaping Handler
    ) {
        self.method = method
        self.template = template
        self.access = access
        self.load = load
        self.handler = handler
    }

    /// Whether a path is one of the template's, so that a refused method can be told from an unknown path.
    func matches(path: String) -> Bool {
        let expected = self.template.split(separator: "/")
        let given = path.split(separator: "/")
        return expected.count == given.count
            && zip(expected, given).allSatisfy { expected, given in expected.hasPrefix("{") || expected == given }
    }
}

extension [Route] {
    /// The answer to a request that no route takes.
    func refusal(method: HTTPRequest.Method, path: String) -> (failure: Failure, allowed: [HTTPRequest.Method]) {
        // A literal path is nobody else's parameter: `search` is not a user's id.
        let matching = self.filter { $0.matches(path: path) }
        let literal = matching.filter { !$0.template.contains("{") }
        let allowed = (literal.isEmpty ? matching : literal).map(\.method)
        guard !allowed.isEmpty else {
            return (Failure(.notFound, "There is nothing at this path; see /openapi.yaml."), [])
        }
        let methods = allowed.contains(.get) ? allowed + [.head] : allowed
        let names = methods.map(\.rawValue).joined(separator: ", ")
        return (Failure(.methodNotAllowed, "This path takes \(names)."), methods)
    }
}
