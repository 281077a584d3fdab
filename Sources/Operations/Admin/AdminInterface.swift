// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import Messaging
import NIOCore
import Storage
import Wire

/// What operators ask a router over HTTP, of itself or of any other node that it has a link to.
///
/// | | role | |
/// |---|---|---|
/// | `GET /admin` | read | what there is |
/// | `GET /admin/nodes/NAME` | read | a ``NodeCondition`` |
/// | `GET /admin/conversations/ID` | read | an ``AudienceCondition``, as far as this router has it in memory |
/// | `POST /admin/nodes/NAME/VERB` | operate | carries out a ``NodeOrder``; a ``NodeCondition`` |
///
/// Errors are problems (RFC 9457) with `title`, `status` and `detail`. Every change is in the router's log, with its outcome,
/// and those that were carried out are in that of a shard.
struct AdminInterface: Sendable {
    /// Bytes of a request's body.
    private static let bodyBytesMax = 16 << 10

    /// Has a node do something; the node may be the router itself.
    typealias Operate = @Sendable (OperateNode, _ node: String) async -> Result<NodeReport, Failure>

    /// Whom this router sends what happens in a conversation.
    typealias AskAudience = @Sendable (ConversationID) async -> AudienceCondition

    let tokens: AdminTokens
    let operate: Operate
    /// Keeps an order that was carried out; must not wait.
    let record: @Sendable (OperatorLogEntry) -> Void
    let audience: AskAudience
    let logger: Logger

    func addRoutes(to router: Router<BasicRequestContext>) {
        router.get("admin") { request, _ in
            try await self.guarded(request, .read) { Self.answer(.ok, Self.description) }
        }
        router.get("admin/nodes/:name") { request, context in
            let name = context.parameters.get("name") ?? ""
            return try await self.guarded(request, .read) {
                try Self.answer(await self.operate(OperateNode(.report), name), of: name)
            }
        }
        router.get("admin/conversations/:id") { request, context in
            let id = ConversationID(context.parameters.get("id") ?? "")
            return try await self.guarded(request, .read) {
                guard let id else { return Self.problem(.badRequest, "The id of a conversation is a UUID.") }
                return Self.answer(.ok, try await self.audience(id).json())
            }
        }
        router.post("admin/nodes/:name/:verb") { request, context in
            let name = context.parameters.get("name") ?? ""
            let verb = context.parameters.get("verb") ?? ""
            return try await self.guarded(request, .operate) {
                try await self.carryOut(verb, on: name, request)
            }
        }
    }

    // MARK: - Private

    private func guarded(
        _ request: Request,
        _ role: AdminTokens.Role,
        _ body: () async throws -> Response
    ) async throws -> Response {
        guard !self.tokens.isOff else {
            return Self.problem(.forbidden, "The admin interface is off: set secrets.admin_operate and start again.")
        }
        guard let shown = self.tokens.role(of: request.headers[.authorization]) else {
            var answer = Self.problem(
                .unauthorized,
                "Show the secret of secrets.admin_operate or admin_read as a bearer token."
            )
            answer.headers[.wwwAuthenticate] = "Bearer"
            return answer
        }
        guard shown >= role else {
            return Self.problem(.forbidden, "This token may look, not change; use that of secrets.admin_operate.")
        }
        return try await body()
    }

    private func carryOut(_ verb: String, on node: String, _ request: Request) async throws -> Response {
        guard let verb = NodeOrder.Verb(rawValue: verb) else {
            return Self.problem(.notFound, "There is no order \(verb.prefix(64)); GET /admin lists them.")
        }
        let bytes: ByteBuffer
        do {
            bytes = try await request.body.collect(upTo: Self.bodyBytesMax)
        } catch {
            return Self.problem(.contentTooLarge, "The body has more than \(Self.bodyBytesMax) bytes.")
        }
        let order: NodeOrder
        do throws(OperationsError) {
            order = try NodeOrder(verb, json: Array(bytes.readableBytesView))
        } catch {
            return Self.problem(.badRequest, "\(error.message); \(error.remedy).")
        }
        let result = await self.operate(order.message, node)
        self.log(order, node, result)
        if case .success = result { self.record(order.logEntry(of: node, at: WallClock.now())) }
        return try Self.answer(result, of: node)
    }

    private func log(_ order: NodeOrder, _ node: String, _ result: Result<NodeReport, Failure>) {
        var outcome = "done"
        if case .failure(let failure) = result { outcome = "\(failure.code): \(failure.message)" }
        self.logger.notice(
            "an operator's order",
            metadata: ["order": "\(order.verb)", "of": "\(node)", "terms": "\(order.json)", "outcome": "\(outcome)"]
        )
    }

    private static func answer(_ result: Result<NodeReport, Failure>, of node: String) throws -> Response {
        switch result {
        case .success(let report):
            return Self.answer(.ok, try NodeCondition(node, report).json())
        case .failure(let failure):
            return Self.problem(.init(code: failure.code.httpStatus), failure.message)
        }
    }

    private static let description: String = {
        let orders = NodeOrder.Verb.allCases.map { verb in
            #"{"method":"POST","path":"/admin/nodes/NAME/\#(verb)","summary":"\#(verb.summary)"}"#
        }
        let report = #"{"method":"GET","path":"/admin/nodes/NAME","summary":"How a node is."}"#
        let audience =
            #"{"method":"GET","path":"/admin/conversations/ID","summary":"Which edges hear of a conversation."}"#
        return #"{"routes":[\#(([report, audience] + orders).joined(separator: ","))]}"#
    }()

    private static func answer(
        _ status: HTTPResponse.Status,
        _ body: String,
        type: String = "application/json"
    ) -> Response {
        Response(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body + "\n"))
        )
    }

    private struct Problem: Encodable {
        var title: String
        var status: Int
        var detail: String
    }

    private static func problem(_ status: HTTPResponse.Status, _ detail: String) -> Response {
        let problem = Problem(title: status.reasonPhrase, status: status.code, detail: detail)
        let body = (try? JSONEncoder().encode(problem)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        return Self.answer(status, body, type: "application/problem+json")
    }
}
