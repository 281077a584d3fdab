// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
internal import Messaging

/// `/api/auth`
enum AccountRoutes {
    static func routes(_ accounts: Accounts) -> [Route] {
        [
            Route(.post, "/api/auth/register", .open, .login) { (request) throws(Failure) in
                try .json(try await accounts.register(try request.json()), status: 201)
            },
            Route(.post, "/api/auth/login", .open, .login) { (request) throws(Failure) in
                try .json(try await accounts.login(try request.json()))
            },
            Route(.post, "/api/auth/refresh", .open, .refresh) { (request) throws(Failure) in
                try .json(try await accounts.refresh(try request.json()))
            },
            Route(.post, "/api/auth/logout", .bearer) { (request) throws(Failure) in
                try await accounts.logout(try request.authenticated())
                return .noContent
            },
        ]
    }
}
