// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import NIOCore

/// A request as a route sees it: everything read and bounded.
struct RESTRequest: Sendable {
    var head: HTTPRequest
    /// Parts of the path under their names in the template.
    var parameters: [String: String] = [:]
    /// The query, decoded; of a name that is there twice the last value counts.
    var query: [String: String] = [:]
    var body = ByteBuffer()
    /// Who asks; nil on routes that are open.
    var claims: AccessClaims?

    /// The claims of a route that is not open.
    func authenticated() throws(Failure) -> AccessClaims {
        guard let claims = self.claims else { throw Failure(.unauthenticated, "An access token is required.") }
        return claims
    }

    /// - Throws: `malformed`, `missing_field` or `invalid_field`.
    func json<Value: Decodable>(as type: Value.Type = Value.self) throws(Failure) -> Value {
        try JSONBody.decode(type, from: self.body.readableBytesView)
    }

    /// The conversation in the path. A text that is no id belongs to no conversation.
    func conversation() throws(Failure) -> ConversationID {
        guard let id = self.parameters["conversation_id"].flatMap({ ConversationID($0) }) else {
            throw .noSuchConversation
        }
        return id
    }

    /// The message in the path. A text that is no id belongs to no message.
    func message() throws(Failure) -> MessageID {
        guard let id = self.parameters["message_id"].flatMap({ MessageID($0) }), id.seq <= UInt64(Int64.max) else {
            throw .noSuchMessage
        }
        return id
    }

    /// The user in the path. A text that is no id belongs to no user.
    func user() throws(Failure) -> UserID {
        guard let id = self.parameters["user_id"].flatMap({ UserID($0) }) else { throw .noSuchUser }
        return id
    }

    func limit(
        default standard: Int = Limits.pageRowsDefault,
        atMost most: Int = Limits.pageRowsMax
    ) throws(Failure) -> UInt32 {
        guard let text = self.query["limit"] else { return UInt32(standard) }
        guard let limit = UInt32(text), (1...most).contains(Int(limit)) else {
            throw Failure(.invalidField, "The parameter `limit` must be 1 to \(most).")
        }
        return limit
    }

    /// A user's id in the query, or nil.
    func user(query name: String) throws(Failure) -> UserID? {
        guard let text = self.query[name] else { return nil }
        guard let user = UserID(text) else {
            throw Failure(.invalidField, "The parameter `\(name)` must be a user's id.")
        }
        return user
    }

    /// A `seq` in the query, or nil.
    func seq(_ name: String) throws(Failure) -> UInt64? {
        guard let text = self.query[name] else { return nil }
        // Half of the range, so that no sum with it overflows anywhere.
        guard let seq = UInt64(text), seq <= UInt64(Int64.max) else {
            throw Failure(.invalidField, "The parameter `\(name)` must be a number from 0 to 2^63-1.")
        }
        return seq
    }
}

extension Failure {
    static let noSuchUser = Failure(.notFound, "There is no such user.")
}
