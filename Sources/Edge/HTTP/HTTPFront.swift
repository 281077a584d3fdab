// SPDX-License-Identifier: Apache-2.0

import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
import ServiceLifecycle
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Why an edge could not listen. The text names the key of `cluster.yaml` to change.
package struct ListenError: Error, CustomStringConvertible {
    package let description: String
}

/// The one port of an edge: REST through Hummingbird, and WebSockets that are handed to a ``WebSocketAcceptor``.
///
/// ``run()`` serves until ``stop()``; then no connection is accepted, requests under way are answered, and `run`
/// returns when the last connection, WebSockets included, is closed. Whoever owns the sessions closes those.
/// May be used from any thread.
package final class HTTPFront: Sendable {
    private let group: ServiceGroup
    private let settings: HTTPSettings
    private let listening: ListeningPort

    /// - Parameters:
    ///   - api: the routes.
    ///   - acceptor: takes over connections that become WebSockets.
    ///   - admission: says which connections are too many.
    package init(
        settings: HTTPSettings,
        api: RESTInterface,
        acceptor: any WebSocketAcceptor,
        admission: AdmissionControl,
        eventLoops: any EventLoopGroup,
        logger: Logger
    ) {
        let listening = ListeningPort()
        var serverLogger = logger
        // The server logs its start and every broken connection; the edge itself says what an operator needs.
        serverLogger.logLevel = max(logger.logLevel, .error)
        let application = Application(
            responder: api.responder,
            server: HTTPServerBuilder { responder in
                EdgeChildChannel(responder: responder, settings: settings, acceptor: acceptor, admission: admission)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port),
                backlog: settings.backlog,
                reuseAddress: true,
                availableConnectionsDelegate: .maximum(settings.connectionsMax, logger: serverLogger)
            ),
            onServerRunning: { channel in listening.resolve(.success(channel.localAddress?.port ?? settings.port)) },
            eventLoopGroupProvider: .shared(eventLoops),
            logger: serverLogger
        )
        self.settings = settings
        self.listening = listening
        self.group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [ServiceGroupConfiguration.ServiceConfiguration(service: application)],
                logger: serverLogger
            )
        )
    }

    /// Serves until ``stop()``. Call once.
    ///
    /// - Throws: ``ListenError`` when the address cannot be listened on.
    package func run() async throws {
        do {
            try await self.group.run()
            self.listening.resolve(.failure(ListenError(description: "The edge was stopped before it listened.")))
        } catch {
            let reason = self.explain(error)
            self.listening.resolve(.failure(reason))
            throw reason
        }
    }

    /// The port that is listened on, as soon as it is.
    package func listeningPort() async throws -> Int {
        try await self.listening.value()
    }

    /// Ends ``run()`` in an orderly way. May be called more than once.
    package func stop() async {
        await self.group.triggerGracefulShutdown()
    }

    private func explain(_ error: any Error) -> ListenError {
        let address = "\(self.settings.host):\(self.settings.port)"
        let key = self.settings.addressKey
        guard let error = error as? IOError else {
            return ListenError(description: "\(key): cannot listen on \(address): \(error)")
        }
        switch error.errnoCode {
        case EADDRINUSE:
            return ListenError(
                description:
                    "\(key): \(address) is in use by another process; choose another port, or stop that process"
            )
        case EADDRNOTAVAIL:
            return ListenError(
                description: "\(key): \(address) is not an address of this machine; choose one that is, or 0.0.0.0"
            )
        case EACCES:
            return ListenError(
                description: "\(key): listening on \(address) is not allowed; choose a port above 1023"
            )
        default:
            return ListenError(description: "\(key): cannot listen on \(address): \(error)")
        }
    }
}

/// A port that is known later, or never.
private final class ListeningPort: Sendable {
    private enum State {
        case waiting([CheckedContinuation<Int, any Error>])
        case resolved(Result<Int, any Error>)
    }

    private let state = Mutex(State.waiting([]))

    func value() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known = self.state.withLock { state -> Result<Int, any Error>? in
                switch state {
                case .waiting(let others):
                    state = .waiting(others + [continuation])
                    return nil
                case .resolved(let result):
                    return result
                }
            }
            if let known {
                continuation.resume(with: known)
            }
        }
    }

    /// The first resolution counts.
    func resolve(_ result: Result<Int, any Error>) {
        let waiting = self.state.withLock { state -> [CheckedContinuation<Int, any Error>] in
            guard case .waiting(let continuations) = state else { return [] }
            state = .resolved(result)
            return continuations
        }
        for continuation in waiting {
            continuation.resume(with: result)
        }
    }
}
