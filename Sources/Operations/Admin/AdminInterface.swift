// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import Messaging
import NIOCore
import Storage
import Wire

/// What operators ask a router over HTTP: of the cluster, of itself, or of any other node that it has a link to.
///
/// What there is, on which path and for whom, is in the registry: ``OperatorVerb``. `GET /admin` shows it. Answers are JSON,
/// the same that the command of this name prints with `--json` (`log` with what could not be reached beside the orders);
/// `doctor` looks from this router's machine, with its file and its environment. Errors are problems
/// (RFC 9457): ``AdminProblem``. Every change is in the router's log, with its outcome, and those that were carried out are in
/// that of a shard.
struct AdminInterface: Sendable {
    /// Has a node do something; the node may be the router itself.
    typealias Operate = @Sendable (OperateNode, _ node: String) async -> Result<NodeReport, Failure>

    /// Whom this router sends what happens in a conversation.
    typealias AskAudience = @Sendable (ConversationID) async -> AudienceCondition

    /// Makes the body of an answer with the status 200. Throws ``AdminProblem`` or ``OperationsError``.
    typealias Answer = @Sendable (AdminRequest) async throws -> String

    /// The router's name.
    let own: String
    let tokens: AdminTokens
    let operate: Operate
    /// Whether this router has a link to a node.
    let isLinked: @Sendable (String) -> Bool
    /// Keeps an order that was carried out; must not wait.
    let record: @Sendable (OperatorLogEntry) -> Void
    let audience: AskAudience
    /// For what is asked of Redis, the shards and the other nodes.
    let look: ClusterLook
    let doctor: @Sendable () async -> DoctorReport
    let logger: Logger
    let bound = AdminBound()

    func addRoutes(to router: Router<BasicRequestContext>) {
        for (verb, answer) in self.answers {
            guard case .routers(let method, _) = verb.answerer, let pattern = verb.answerer.pattern,
                let role = verb.role
            else { continue }
            router.on(RouterPath(pattern), method: method.http) { request, context in
                await self.guarded(request, role) {
                    let request = AdminRequest(request, context, verb)
                    try request.checkQuery(of: verb)
                    return Self.answer(.ok, try await answer(request))
                }
            }
        }
        // What is not there is told to those who may know what is.
        for method in OperatorVerb.Method.allCases {
            router.on("admin/**", method: method.http) { request, _ in
                await self.guarded(request, .read) { () throws -> Response in
                    throw AdminProblem(.notFound, "There is no such thing.", remedy: "GET /admin lists what there is")
                }
            }
        }
    }

    // MARK: - Who may

    private func guarded(
        _ request: Request,
        _ role: AdminTokens.Role,
        _ body: () async throws -> Response
    ) async -> Response {
        guard !self.tokens.isOff else {
            return Self.answer(
                AdminProblem(.forbidden, "The admin interface is off: set secrets.admin_operate and start again.")
            )
        }
        guard let shown = self.tokens.role(of: request.headers[.authorization]) else {
            let isShown = request.headers[.authorization] != nil
            var answer = Self.answer(
                AdminProblem(
                    .unauthorized,
                    isShown
                        ? "The secret that was shown is not that of this router's secrets.admin_operate or admin_read."
                        : "Show the secret of secrets.admin_operate or admin_read as a bearer token."
                )
            )
            answer.headers[.wwwAuthenticate] = "Bearer"
            return answer
        }
        guard shown >= role else {
            return Self.answer(
                AdminProblem(.forbidden, "This token may look, not change; use that of secrets.admin_operate.")
            )
        }
        do {
            return try await body()
        } catch let problem as AdminProblem {
            return Self.answer(problem)
        } catch let error as OperationsError {
            return Self.answer(AdminProblem(error))
        } catch {
            self.logger.warning("an operator's request failed", metadata: ["reason": "\(error)"])
            return Self.answer(AdminProblem(.internalServerError, "It failed.", remedy: "see the router's log"))
        }
    }

    // MARK: - Answers

    private static func answer(_ problem: AdminProblem) -> Response {
        var answer = Self.answer(.init(code: problem.status), problem.json, type: "application/problem+json")
        if problem.status == 503 { answer.headers[.retryAfter] = "1" }
        return answer
    }

    private static func answer(
        _ status: HTTPResponse.Status,
        _ body: String,
        type: String = "application/json"
    ) -> Response {
        Response(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body.hasSuffix("\n") ? body : body + "\n"))
        )
    }
}

extension OperatorVerb.Method {
    fileprivate var http: HTTPRequest.Method {
        switch self {
        case .get: .get
        case .post: .post
        }
    }
}
