// SPDX-License-Identifier: Apache-2.0

/// Every error that a client can be told, on REST and WebSocket alike.
///
/// The raw value travels on the mesh, ``name`` in JSON. Neither is ever changed or used again for something else.
package enum ErrorCode: UInt16, Sendable, CaseIterable, Error {
    // What was sent cannot be understood.
    case malformed = 1
    case unknownType = 2
    case missingField = 3
    case invalidField = 4
    case tooLarge = 5

    // Who sent it.
    case unauthenticated = 20
    case tokenExpired = 21
    case invalidCredentials = 22
    case refreshTokenReused = 23
    case alreadyAuthenticated = 24

    // What it is about.
    case notFound = 40
    case unknownUser = 41
    case usernameTaken = 42
    case lastOwner = 43
    case conflict = 44
    case clientMessageIDTooOld = 45
    case methodNotAllowed = 46

    // The cluster at this moment: waiting helps, and nothing was accepted.
    case rateLimited = 60
    case overloaded = 61
    case unavailable = 62

    // Nothing can be said about the outcome; the same request may be sent again.
    case outcomeUnknown = 80
    case `internal` = 81

    /// The code in JSON.
    package var name: String {
        switch self {
        case .malformed: "malformed"
        case .unknownType: "unknown_type"
        case .missingField: "missing_field"
        case .invalidField: "invalid_field"
        case .tooLarge: "too_large"
        case .unauthenticated: "unauthenticated"
        case .tokenExpired: "token_expired"
        case .invalidCredentials: "invalid_credentials"
        case .refreshTokenReused: "refresh_token_reused"
        case .alreadyAuthenticated: "already_authenticated"
        case .notFound: "not_found"
        case .unknownUser: "unknown_user"
        case .usernameTaken: "username_taken"
        case .lastOwner: "last_owner"
        case .conflict: "conflict"
        case .clientMessageIDTooOld: "client_message_id_too_old"
        case .methodNotAllowed: "method_not_allowed"
        case .rateLimited: "rate_limited"
        case .overloaded: "overloaded"
        case .unavailable: "unavailable"
        case .outcomeUnknown: "outcome_unknown"
        case .internal: "internal"
        }
    }

    /// The HTTP status of a REST answer with this code.
    package var httpStatus: Int {
        switch self {
        case .malformed, .unknownType, .missingField, .invalidField: 400
        case .tooLarge: 413
        case .unauthenticated, .tokenExpired, .invalidCredentials, .refreshTokenReused: 401
        case .notFound, .unknownUser: 404
        case .usernameTaken, .lastOwner, .conflict, .alreadyAuthenticated, .clientMessageIDTooOld: 409
        case .methodNotAllowed: 405
        case .rateLimited: 429
        case .overloaded, .unavailable: 503
        case .outcomeUnknown: 504
        case .internal: 500
        }
    }

    /// Whether the same request can succeed later without being changed.
    package var isRetryable: Bool {
        switch self {
        case .rateLimited, .overloaded, .unavailable, .outcomeUnknown, .internal: true
        case .malformed, .unknownType, .missingField, .invalidField, .tooLarge, .unauthenticated, .tokenExpired,
            .invalidCredentials, .refreshTokenReused, .alreadyAuthenticated, .notFound, .unknownUser, .usernameTaken,
            .lastOwner, .conflict, .clientMessageIDTooOld, .methodNotAllowed:
            false
        }
    }
}

/// An error as it is told to a client: the code for programs, the message for the person who reads a log.
package struct Failure: Error, Hashable, Sendable {
    package var code: ErrorCode
    /// One sentence that says what is wrong and what would be right. Holds no secrets and no text of messages.
    package var message: String
    /// How long to wait before trying again, where waiting helps.
    package var retryAfterMilliseconds: UInt32?

    package init(_ code: ErrorCode, _ message: String, retryAfterMilliseconds: UInt32? = nil) {
        self.code = code
        self.message = message
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }

    /// The one answer to "unknown", "not a member" and "may not": it does not tell them apart.
    package static let noSuchConversation = Failure(
        .notFound,
        "There is no such conversation, or you may not do this in it."
    )

    /// The same for a message.
    package static let noSuchMessage = Failure(.notFound, "There is no such message, or you may not see it.")
}
