// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import ClusterConfiguration
import HTTPTypes
import Hummingbird
internal import Logging
internal import Messaging
internal import NIOCore
internal import NIOHTTP1
package import Observability

/// What every request carries through Hummingbird.
struct RESTContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// The other end of the connection.
    let peer: IPAddress?

    init(source: ApplicationRequestContextSource) {
        self.peer = IPAddress(source.channel.remoteAddress)
        self.coreContext = .init(source: source)
    }
}

/// All routes of the REST interface. Every answer that is not a success is a problem with a code (RFC 9457).
package struct RESTInterface: Sendable {
    /// What the routes need from the edge.
    package struct Environment: Sendable {
        package var routers: any RouterCalls
        package var accounts: Accounts
        package var tokens: any TokenVerifier
        package var admission: AdmissionControl
        package var metrics: MetricsRegistry
        /// Why the edge cannot serve clients at this moment; empty when it can.
        package var unreadyReasons: @Sendable () -> [String]
        /// The largest body of a request, in bytes.
        package var bodyBytesMax: Int

        package init(
            routers: any RouterCalls,
            accounts: Accounts,
            tokens: any TokenVerifier,
            admission: AdmissionControl,
            metrics: MetricsRegistry,
            bodyBytesMax: Int,
            unreadyReasons: @escaping @Sendable () -> [String]
        ) {
            self.routers = routers
            self.accounts = accounts
            self.tokens = tokens
            self.admission = admission
            self.metrics = metrics
            self.bodyBytesMax = bodyBytesMax
            self.unreadyReasons = unreadyReasons
        }
    }

    let routes: [Route]
    let responder: RouterResponder<RESTContext>

    /// Registers its metrics, so it is made once per registry.
    package init(_ environment: Environment) {
        let routes =
            AccountRoutes.routes(environment.accounts)
            + UserRoutes.routes(environment.routers)
            + ConversationRoutes.routes(environment.routers)
            + MemberRoutes.routes(environment.routers)
            + MessageRoutes.routes(environment.routers, now: { WallClock.now() })
            + ReceiptRoutes.routes(environment.routers)
            + OperationRoutes.routes(environment)
        let router = Router(context: RESTContext.self, options: .autoGenerateHeadEndpoints)
        router.add(
            middleware: AnswerMiddleware(routes: routes, metrics: RequestMetrics(environment.metrics, routes: routes))
        )
        for route in routes {
            let dispatch = Dispatch(
                route: route,
                tokens: environment.tokens,
                admission: environment.admission,
                bodyBytesMax: environment.bodyBytesMax
            )
            router.on(RouterPath(route.template), method: route.method) { request, context in
                try await dispatch.answer(request, context)
            }
        }
        self.routes = routes
        self.responder = router.buildResponder()
    }
}

/// Takes a request apart for one route and puts its answer together.
private struct Dispatch: Sendable {
    let route: Route
    let tokens: any TokenVerifier
    let admission: AdmissionControl
    let bodyBytesMax: Int

    private static let forwardedFor = HTTPField.Name(ClientAddressing.fieldName)

    func answer(_ request: Request, _ context: RESTContext) async throws(Failure) -> Response {
        try self.admission.admitRequest(
            self.route.load,
            from: self.admission.address(
                of: context.peer,
                forwardedFor: Self.forwardedFor.map { request.headers[values: $0] } ?? []
            )
        )
        var taken = RESTRequest(head: request.head)
        for (name, value) in context.parameters {
            taken.parameters[String(name)] = String(value)
        }
        for (name, value) in request.uri.queryParameters {
            taken.query[String(name)] = String(value)
        }
        switch self.route.access {
        case .open: break
        case .bearer:
            let claims = try self.claims(request)
            try self.admission.admitRequest(self.route.load, by: claims.user)
            taken.claims = claims
        }
        if self.route.method == .post || self.route.method == .put {
            taken.body = try await self.body(request)
        }
        return Response(try await self.route.handler(taken))
    }

    private func claims(_ request: Request) throws(Failure) -> AccessClaims {
        guard let field = request.headers[.authorization] else {
            throw Failure(.unauthenticated, "The header field `Authorization: Bearer TOKEN` is missing.")
        }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw Failure(.unauthenticated, "The header field `Authorization` must be `Bearer TOKEN`.")
        }
        return try self.tokens.verify(accessToken: String(parts[1]))
    }

    private func body(_ request: Request) async throws(Failure) -> ByteBuffer {
        let tooLarge = Failure(.tooLarge, "The body has more than \(self.bodyBytesMax) bytes.")
        if let declared = request.headers[.contentLength].flatMap({ Int($0) }), declared > self.bodyBytesMax {
            throw tooLarge
        }
        do {
            return try await request.body.collect(upTo: self.bodyBytesMax)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch is HTTPParserError {
            throw Failure(.malformed, "The body is not what its header fields say.")
        } catch {
            throw Failure(.malformed, "The request ended before its body did.")
        }
    }
}

/// Around every request, known or not: turns errors into problems, adds common header fields, counts and logs.
private struct AnswerMiddleware: RouterMiddleware {
    typealias Context = RESTContext

    let routes: [Route]
    let metrics: RequestMetrics

    func handle(
        _ request: Request,
        context: RESTContext,
        next: (Request, RESTContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var route: String?
        var response: Response
        do {
            response = try await next(request, context)
            route = context.endpointPath
        } catch let failure as Failure {
            response = Response(.problem(failure))
            route = context.endpointPath
        } catch let error as HTTPError where error.status == .notFound {
            response = self.refusal(request)
        } catch {
            context.logger.error("A request failed", metadata: .keys([.reason: "\(error)"]))
            response = Response(.problem(Failure(.internal, "The request failed for a reason of the cluster's own.")))
            route = context.endpointPath
        }
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.cacheControl] = "no-store"
        if request.head.endsConnection {
            response.headers[.connection] = "close"
        }
        if request.method == .head {
            response = response.createHeadResponse()
        }
        let duration = ContinuousClock.now - start
        self.metrics.requestEnded(
            method: request.method.rawValue,
            route: route,
            status: response.status.code,
            duration: duration
        )
        context.logger.debug(
            "\(request.method.rawValue) \(route ?? RequestMetrics.unmatched) \(response.status.code)",
            metadata: .keys([.duration: "\(duration)"])
        )
        return response
    }

    private func refusal(_ request: Request) -> Response {
        let (failure, allowed) = self.routes.refusal(method: request.method, path: request.uri.path)
        var response = Response(.problem(failure))
        if !allowed.isEmpty {
            response.headers[.allow] = allowed.map(\.rawValue).joined(separator: ", ")
        }
        return response
    }
}

extension Response {
    fileprivate init(_ answer: RESTAnswer) {
        self.init(
            status: .init(code: answer.status),
            headers: answer.headers,
            body: answer.status == 204 ? .init() : .init(byteBuffer: answer.body)
        )
    }
}
