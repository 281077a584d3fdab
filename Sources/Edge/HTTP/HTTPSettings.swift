// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
package import TransportSecurity

/// Bounds of an edge's HTTP side.
package struct HTTPSettings: Sendable {
    /// Where clients connect; port 0 takes any free one.
    package var host: String
    package var port: Int
    /// The key of `cluster.yaml` that the address comes from, for messages.
    package var addressKey: String
    /// The largest body of a request; a larger one is answered with `too_large`.
    package var bodyBytesMax: Int
    /// All header fields of one request, and the request line; larger ones are answered with `too_large`.
    package var headerBytesMax = 16 << 10
    package var headerFieldsMax = 100
    /// Connections of clients, WebSockets included. At the bound none is accepted: they wait in the backlog.
    package var connectionsMax: Int
    /// Connections that the kernel keeps until they are accepted; more are refused by it.
    package var backlog = 1024
    /// From accepting a connection, or the head of a request, until the request is there whole.
    package var readTimeout: Duration
    /// From the end of a request until its answer is written whole.
    package var responseTimeout: Duration
    /// Between two requests on one connection.
    package var idleTimeout: Duration
    /// How long a refused sender may go on before the connection is cut, so that it can read the answer.
    package var lingerTimeout = Duration.seconds(1)

    /// Nil serves without TLS.
    package var certificates: LiveCertificates?

    /// Connections beyond the sessions, so that requests are still answered on an edge that is full.
    private static let connectionsBesideSessions = 2048
    private static let responseSlack = Duration.seconds(30)

    package init(host: String, port: Int, addressKey: String, bodyBytesMax: Int, connectionsMax: Int) {
        self.host = host
        self.port = port
        self.addressKey = addressKey
        self.bodyBytesMax = bodyBytesMax
        self.connectionsMax = connectionsMax
        self.readTimeout = .seconds(10)
        self.responseTimeout = .seconds(60)
        self.idleTimeout = .seconds(60)
    }

    package init(_ settings: ClusterSettings, node: ClusterSettings.Node) {
        self.init(
            host: node.http.host,
            port: node.http.port,
            addressKey: "nodes.\(node.name).http",
            bodyBytesMax: settings.limits.httpBodyBytes,
            connectionsMax: settings.limits.sessionsPerEdge + Self.connectionsBesideSessions
        )
        self.readTimeout = settings.timeouts.request
        self.responseTimeout = max(settings.timeouts.request, settings.timeouts.submit) + Self.responseSlack
        self.idleTimeout = settings.timeouts.clientSilence
    }
}
