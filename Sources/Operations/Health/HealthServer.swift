// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// `/health`, `/ready` and `/metrics` of a node that serves no clients, and its ``AdminInterface``.
///
/// | | |
/// |---|---|
/// | `/health` | 200 as long as the process answers |
/// | `/ready` | 200, or 503 with the reasons: `{"ready":false,"reasons":["…"]}` |
/// | `/metrics` | Prometheus' text format, version 0.0.4 |
package struct HealthServer: Sendable {
    /// Connections at once; more wait in the system's queue.
    private static let connectionsMax = 64

    private let address: NetworkAddress
    private let group: any EventLoopGroup
    private let logger: Logger
    private let notReadyReasons: @Sendable () -> [String]
    private let metrics: @Sendable () -> String
    private let admin: AdminInterface?

    /// - Parameters:
    ///   - notReadyReasons: Asked with every request, on any thread; must not block.
    ///   - metrics: The same.
    init(
        address: NetworkAddress,
        group: any EventLoopGroup,
        notReadyReasons: @escaping @Sendable () -> [String],
        metrics: @escaping @Sendable () -> String,
        admin: AdminInterface? = nil,
        logger: Logger
    ) {
        self.address = address
        self.group = group
        self.notReadyReasons = notReadyReasons
        self.metrics = metrics
        self.admin = admin
        self.logger = logger
    }

    /// Serves until the task is cancelled. Throws when the address cannot be listened on.
    package func run() async throws {
        let router = Router()
        router.get("health") { _, _ in
            Self.answer(.ok, #"{"status":"alive"}"#, type: "application/json")
        }
        router.get("ready") { _, _ in
            let reasons = self.notReadyReasons()
            let body = try Readiness(ready: reasons.isEmpty, reasons: reasons).json()
            return Self.answer(reasons.isEmpty ? .ok : .serviceUnavailable, body, type: "application/json")
        }
        router.get("metrics") { _, _ in
            Self.answer(.ok, self.metrics(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        self.admin?.addRoutes(to: router)
        var logger = self.logger
        // Where it listens is in the node's own line, and its end by cancellation is none of the errors it logs it as.
        logger.logLevel = .critical
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(self.address.host, port: self.address.port),
                serverName: "trunkline",
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax)
            ),
            eventLoopGroupProvider: .shared(self.group),
            logger: logger
        )
        try await application.run()
    }

    private static func answer(_ status: HTTPResponse.Status, _ body: String, type: String) -> Response {
        Response(
            status: status,
            headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body))
        )
    }
}

/// The body of `/ready`.
struct Readiness: Codable, Sendable, Equatable {
    var ready: Bool
    var reasons: [String]

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
