// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// What runs on the thread of a ``RedisConnection``: find the primary, carry pipelines, find it again.
///
/// Confined to that thread.
struct ConnectionThread {
    let core: ConnectionCore
    let configuration: RedisConfiguration
    private var search: PrimarySearch
    private var reconnectDelay: ReconnectDelay
    /// Why the steps since the last pause have failed.
    private var failures: [RedisError] = []
    /// Failures in a row are logged loudly once.
    private var isFailureLogged = false

    /// A step that fails sooner may be followed by another before what waits is failed.
    private static let quickStepMax: Duration = .milliseconds(100)

    init(core: ConnectionCore) {
        self.core = core
        self.configuration = core.configuration
        self.search = PrimarySearch(core.configuration.endpoint.place)
        self.reconnectDelay = ReconnectDelay(
            minimum: core.configuration.reconnectDelayMin,
            maximum: core.configuration.reconnectDelayMax
        )
    }

    mutating func run() {
        Self.blockBrokenPipeSignal()
        while !self.core.isStopped {
            let delay = self.takeStep()
            self.sleep(delay)
        }
        self.core.ended()
    }

    // MARK: - Search

    /// One step of the search; the whole life of the connection, if it leads to one. Returns how long to wait before the
    /// next.
    private mutating func takeStep() -> Duration {
        let begun = ContinuousClock.now
        do throws(RedisError) {
            switch self.search.nextStep {
            case .connect(let address):
                return try self.connectAndServe(address)
            case .ask(let sentinel):
                let primary = try self.ask(sentinel)
                guard self.search.sentinelAnswered(primary) == .roundIsOver else { return .zero }
                return self.roundIsOver()
            case nil:
                return self.roundIsOver()
            }
        } catch {
            let isQuick = begun.duration(to: .now) < Self.quickStepMax
            return self.stepFailed(error, isQuick: isQuick)
        }
    }

    /// - Throws: When there was no connection.
    private mutating func connectAndServe(_ address: RedisAddress) throws(RedisError) -> Duration {
        var context = try HiredisContext(address, named: "Redis at \(address)", configuration: self.configuration)
        let identity = try self.introduce(&context, address)
        self.failures = []
        self.isFailureLogged = false
        self.core.connected(address, identity)
        self.core.logger.info("connected to Redis", metadata: self.metadata(address))
        let connectedAt = ContinuousClock.now
        guard let error = self.serve(&context, address) else { return .zero }
        let life = connectedAt.duration(to: .now)
        // A server that does not answer will not do so on a new connection either: what waits is failed now, so that no
        // command waits through a second timeout.
        if error.code == .timedOut {
            self.core.becameUnavailable(error)
        } else {
            self.core.reconnectingAtOnce(error)
        }
        guard self.reconnectDelay.connectionLived(for: life) else {
            return self.stepFailed(error, isQuick: error.code != .timedOut)
        }
        self.search.connectionEnded()
        self.log(error, nextAttemptIn: .zero)
        // Whether the first round leads to another one is worth a line too.
        self.isFailureLogged = false
        return .zero
    }

    private mutating func stepFailed(_ error: RedisError, isQuick: Bool) -> Duration {
        self.failures.append(error)
        guard self.search.stepFailed() == .goOn else { return self.roundIsOver() }
        self.core.logger.debug("no primary of Redis there", metadata: [LogKey.error: "\(error)"])
        // Who waits for the very first connection has nothing to fall back on, and waits for the whole round.
        if !isQuick, self.core.state.connectionGeneration > 0 {
            self.core.becameUnavailable(.ofRound(self.failures))
        }
        return .zero
    }

    private mutating func roundIsOver() -> Duration {
        let error = RedisError.ofRound(self.failures)
        self.failures = []
        let delay = self.reconnectDelay.attemptFailed(random: .random(in: 0..<1))
        self.log(error, nextAttemptIn: delay)
        self.core.becameUnavailable(error)
        return delay
    }

    // MARK: - Waiting and telling

    private func sleep(_ delay: Duration) {
        let deadline = ContinuousClock.now + delay
        while !self.core.isStopped, ContinuousClock.now < deadline {
            var descriptors = [pollfd(fd: self.core.wakePipe.readDescriptor, events: Int16(POLLIN), revents: 0)]
            if Readiness.wait(for: &descriptors, until: deadline) {
                self.core.wakePipe.drain()
            }
        }
    }

    /// hiredis writes without `MSG_NOSIGNAL`; a connection that the server closed must not end the process.
    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private func metadata(_ address: RedisAddress?) -> Logger.Metadata {
        var metadata: Logger.Metadata = [LogKey.endpoint: "\(self.configuration.endpoint)"]
        metadata[LogKey.primary] = address.map { "\($0)" }
        return metadata
    }

    private mutating func log(_ error: RedisError, nextAttemptIn delay: Duration) {
        var metadata = self.metadata(nil)
        metadata[LogKey.error] = "\(error)"
        metadata[LogKey.nextAttempt] = "\(delay)"
        self.core.logger.log(
            level: self.isFailureLogged ? .debug : .warning,
            "no connection to Redis",
            metadata: metadata
        )
        self.isFailureLogged = true
    }
}

/// The keys of this module's log metadata.
private enum LogKey {
    static let endpoint = "redis"
    static let primary = "primary"
    static let error = "error"
    static let nextAttempt = "next_attempt_in"
}
