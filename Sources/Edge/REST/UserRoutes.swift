// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
import HTTPTypes
internal import Messaging
internal import Placement
internal import Wire

/// `/api/users`
enum UserRoutes {
    static func routes(_ routers: any RouterCalls) -> [Route] {
        [
            Route(.get, "/api/users/search", .bearer) { (request) throws(Failure) in
                guard let username = request.query["username"] else {
                    throw Failure(.missingField, "The parameter `username` is missing.")
                }
                return try .json(UserSearchResponse(users: try await Self.search(username, routers).map(UserBody.init)))
            },
            Route(.put, "/api/users/status", .bearer) { (request) throws(Failure) in
                let fields = try request.json(as: ClientCommand.SetStatus.self)
                try fields.validate()
                return try .json(try await routers.setStatus(of: try request.authenticated().user, fields))
            },
            Route(.get, "/api/users/{user_id}", .bearer) { (request) throws(Failure) in
                let user = try request.user()
                guard let profile = try await routers.users([user]).first else { throw .noSuchUser }
                return try .json(UserBody(profile))
            },
        ]
    }

    /// The user of exactly this name, or nobody. A text that cannot be a name is nobody's.
    private static func search(_ text: String, _ routers: any RouterCalls) async throws(Failure) -> [UserProfile] {
        guard let username = try? AccountRules.username(text) else { return [] }
        let resolved: ResolvedUsername = try await routers.call(
            .resolveUsername,
            slot: Slot(ofName: username),
            body: ResolveUsername(username: username),
            timeout: nil
        )
        guard let user = resolved.user else { return [] }
        return try await routers.users([user])
    }
}
