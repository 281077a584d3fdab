// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// What runs on the thread of a ``RedisConnection``: connect, carry pipelines, connect again.
///
/// Confined to that thread.
struct ConnectionThread {
    private let core: ConnectionCore
    private let configuration: RedisConfiguration
    private var reconnectDelay: ReconnectDelay
    /// Failures in a row are logged loudly once.
    private var isFailureLogged = false

    init(core: ConnectionCore) {
        self.core = core
        self.configuration = core.configuration
        self.reconnectDelay = ReconnectDelay(
            minimum: core.configuration.reconnectDelayMin,
            maximum: core.configuration.reconnectDelayMax
        )
    }

    mutating func run() {
        Self.blockBrokenPipeSignal()
        while !self.core.isStopped {
            let delay = self.connectAndServe()
            self.sleep(delay)
        }
        self.core.ended()
    }

    /// One life of a connection. Returns how long to wait before the next.
    private mutating func connectAndServe() -> Duration {
        do throws(RedisError) {
            var context = try HiredisContext(configuration: self.configuration)
            let serverRunID = try self.introduce(&context)
            self.isFailureLogged = false
            self.core.connected(serverRunID: serverRunID)
            self.core.logger.info("connected to Redis", metadata: self.metadata)
            let connectedAt = ContinuousClock.now
            guard let error = self.serve(&context) else { return .zero }
            let life = connectedAt.duration(to: .now)
            let delay = self.reconnectDelay.connectionLost(livedFor: life, random: .random(in: 0..<1))
            self.log(error, nextAttemptIn: delay)
            // A server that does not answer will not do so on a new connection either: what waits is failed now, so
            // that no command waits through a second timeout.
            if delay == .zero, error.code != .timedOut {
                self.core.reconnectingAtOnce(error)
            } else {
                self.core.becameUnavailable(error)
            }
            return delay
        } catch {
            let delay = self.reconnectDelay.attemptFailed(random: .random(in: 0..<1))
            self.log(error, nextAttemptIn: delay)
            self.core.becameUnavailable(error)
            return delay
        }
    }

    // MARK: - Introduction

    /// Password, database, and whether the server is ready to answer. Returns its `run_id`.
    private func introduce(_ context: inout HiredisContext) throws(RedisError) -> String {
        let endpoint = self.configuration.endpoint
        var commands: [RedisCommand] = []
        if let password = endpoint.password {
            commands.append(RedisCommand("AUTH", [endpoint.username, password].compactMap { $0 }))
        }
        if endpoint.database != 0 {
            commands.append(RedisCommand("SELECT", String(endpoint.database)))
        }
        // PING is refused while the server loads its data, INFO is not.
        commands.append(RedisCommand("PING"))
        commands.append(RedisCommand("INFO", "server"))
        for command in commands {
            try context.append(command)
        }
        var replies: [RedisValue] = []
        try self.exchange(&context, replyCount: commands.count) { replies.append($0) }
        for reply in replies.dropLast() {
            guard let text = reply.errorText else { continue }
            let isLoading = text.hasPrefix("LOADING") || text.hasPrefix("BUSY") || text.hasPrefix("MASTERDOWN")
            throw RedisError(
                isLoading ? .unavailable : .authenticationRefused,
                "Redis at \(endpoint) refuses the connection: \(text.prefix(200))."
            )
        }
        return replies.last?.text.flatMap(Self.runID) ?? ""
    }

    private static func runID(in information: String) -> String? {
        for line in information.split(whereSeparator: \.isNewline) where line.hasPrefix("run_id:") {
            return String(line.dropFirst("run_id:".count))
        }
        return nil
    }

    // MARK: - Service

    /// Carries pipelines until the connection ends (returns why) or the owner wants to stop (returns nil).
    private func serve(_ context: inout HiredisContext) -> RedisError? {
        while !self.core.isStopped {
            let batch = self.core.nextBatch()
            for request in batch.expired {
                self.core.complete(
                    request,
                    .failure(RedisError(.timedOut, "Redis is too slow: the command waited for its turn in vain."))
                )
            }
            if !batch.requests.isEmpty {
                if let error = self.carry(batch.requests, &context) { return error }
            } else if batch.isEmpty, self.isSocketReadyBeforeWake(context.descriptor) {
                return self.unexpectedReadiness(&context)
            }
        }
        return nil
    }

    /// Sleeps until the owner wakes the thread (false) or something happens to the idle connection (true).
    private func isSocketReadyBeforeWake(_ descriptor: Int32) -> Bool {
        var descriptors = [
            pollfd(fd: self.core.wakePipe.readDescriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = Readiness.wait(for: &descriptors, until: nil)
        self.core.wakePipe.drain()
        return descriptors[1].revents != 0
    }

    /// Nothing was asked for: this is the end of the connection, or an answer that would be taken for the next one's.
    private func unexpectedReadiness(_ context: inout HiredisContext) -> RedisError {
        do throws(RedisError) {
            try context.read()
            return RedisError(.protocolViolation, "Redis sent an answer that nobody asked for.")
        } catch {
            return error
        }
    }

    /// Sends a pipeline and completes each request as soon as its last answer is there.
    private func carry(_ requests: [RedisRequest], _ context: inout HiredisContext) -> RedisError? {
        var completed = 0
        var replies: [RedisValue] = []
        do throws(RedisError) {
            var commandCount = 0
            for request in requests {
                for command in request.commands {
                    try context.append(command)
                }
                commandCount += request.commands.count
            }
            try self.exchange(&context, replyCount: commandCount) { reply in
                let request = requests[completed]
                replies.append(reply)
                guard replies.count == request.commands.count else { return }
                completed += 1
                self.core.complete(request, .success(replies))
                replies = []
            }
            return nil
        } catch {
            for request in requests[completed...] {
                self.core.complete(request, .failure(error))
            }
            return error
        }
    }

    /// Writes the write buffer and reads that many answers, both at once, within one command timeout.
    private func exchange(
        _ context: inout HiredisContext,
        replyCount: Int,
        _ onReply: (RedisValue) -> Void
    ) throws(RedisError) {
        let deadline = ContinuousClock.now + self.configuration.commandTimeout
        var isFlushed = try context.flush()
        var missing = replyCount
        while missing > 0 || !isFlushed {
            let events = POLLIN | (isFlushed ? 0 : POLLOUT)
            var descriptors = [pollfd(fd: context.descriptor, events: Int16(events), revents: 0)]
            guard Readiness.wait(for: &descriptors, until: deadline) else {
                throw RedisError(.timedOut, "Redis did not answer within \(self.configuration.commandTimeout).")
            }
            let revents = Int32(descriptors[0].revents)
            if revents & ~POLLOUT != 0 {
                try context.read()
                while missing > 0, let reply = try context.nextReply() {
                    missing -= 1
                    onReply(reply)
                }
            }
            if !isFlushed, revents & POLLOUT != 0 {
                isFlushed = try context.flush()
            }
            guard missing == 0 || ContinuousClock.now < deadline else {
                throw RedisError(.timedOut, "Redis did not answer within \(self.configuration.commandTimeout).")
            }
        }
        guard !context.hasUnreadBytes else {
            throw RedisError(.protocolViolation, "Redis sent more answers than it was asked for.")
        }
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

    private var metadata: Logger.Metadata {
        [LogKey.endpoint: "\(self.configuration.endpoint)"]
    }

    private mutating func log(_ error: RedisError, nextAttemptIn delay: Duration) {
        var metadata = self.metadata
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
    static let error = "error"
    static let nextAttempt = "next_attempt_in"
}
