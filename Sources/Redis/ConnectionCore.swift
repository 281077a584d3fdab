// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

/// What a ``RedisConnection`` is at a moment.
package struct RedisConnectionState: Sendable {
    package var isConnected = false
    /// Counts the connections that were made; grows by one with each.
    package var connectionGeneration: UInt64 = 0
    /// The server's own name for its present life (`run_id` of `INFO server`); another one after every restart.
    /// Empty before the first connection, and for servers that do not tell.
    package var serverRunID = ""
    /// Where the server is that is connected to, or was last; nil before the first connection.
    package var address: RedisAddress?
    /// Grows by one with every connection to another server than before, to another life of it, or to one that has been a
    /// replica since: what was written under an earlier number may be missing there.
    package var reign: UInt64 = 0
    /// Why the last connection ended or the last attempt failed; nil while connected.
    package var lastError: RedisError?
}

/// What the owner of a connection and its thread share. Any thread may use it.
final class ConnectionCore: Sendable {
    typealias StateObserver = @Sendable (RedisConnectionState) -> Void

    let configuration: RedisConfiguration
    let logger: Logger
    let wakePipe: WakePipe
    private let observer: StateObserver?
    private let queue: Mutex<RequestQueue>
    private let observed = Mutex(RedisConnectionState())
    /// Of the server that is connected to, or was last.
    private let identity = Mutex<ServerIdentity?>(nil)
    private let end = Mutex(End())

    private struct End {
        var hasEnded = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    init(configuration: RedisConfiguration, logger: Logger, wakePipe: WakePipe, observer: StateObserver?) {
        self.configuration = configuration
        self.logger = logger
        self.wakePipe = wakePipe
        self.observer = observer
        self.queue = Mutex(RequestQueue(configuration: configuration))
    }

    var state: RedisConnectionState { self.observed.withLock { $0 } }
    var isStopped: Bool { self.queue.withLock { $0.isStopped } }
    var held: (commands: Int, bytes: Int) { self.queue.withLock { ($0.heldCommands, $0.heldBytes) } }

    // MARK: - For the owner

    func submit(_ request: RedisRequest) {
        switch self.queue.withLock({ $0.submit(request) }) {
        case .none: break
        case .wakeThread: self.wakePipe.wake()
        case .refuse(let error): request.completion(.failure(error))
        }
    }

    func stop() {
        self.queue.withLock { $0.stop() }
        self.wakePipe.wake()
    }

    func waitForEnd() async {
        await withCheckedContinuation { continuation in
            let hasEnded = self.end.withLock { end in
                if !end.hasEnded { end.waiters.append(continuation) }
                return end.hasEnded
            }
            if hasEnded { continuation.resume() }
        }
    }

    // MARK: - For the thread

    func nextBatch() -> RequestQueue.Batch {
        self.queue.withLock { $0.nextBatch(now: .now) }
    }

    func complete(_ request: RedisRequest, _ result: Result<[RedisValue], RedisError>) {
        self.queue.withLock { $0.finished(request) }
        request.completion(result)
    }

    func connected(_ address: RedisAddress, _ identity: ServerIdentity) {
        let isAsBefore = self.identity.withLock { known in
            defer { known = identity }
            return known == identity
        }
        self.queue.withLock { $0.connected(now: .now) }
        self.publish { state in
            state.isConnected = true
            state.connectionGeneration += 1
            state.serverRunID = identity.runID
            state.address = address
            if !isAsBefore { state.reign += 1 }
            state.lastError = nil
        }
    }

    func reconnectingAtOnce(_ error: RedisError) {
        self.queue.withLock { $0.reconnectingAtOnce() }
        self.disconnected(error)
    }

    func becameUnavailable(_ error: RedisError) {
        let refusal = RedisError(
            error.code == .authenticationRefused ? .authenticationRefused : .unavailable,
            error.message
        )
        let waiting = self.queue.withLock { $0.becameUnavailable(refusal) }
        self.disconnected(error)
        for request in waiting {
            self.complete(request, .failure(refusal))
        }
    }

    func ended() {
        for request in self.queue.withLock({ $0.takeAll() }) {
            self.complete(request, .failure(RequestQueue.shutDown))
        }
        self.disconnected(RequestQueue.shutDown)
        let waiters = self.end.withLock { end in
            end.hasEnded = true
            defer { end.waiters = [] }
            return end.waiters
        }
        for waiter in waiters {
            waiter.resume()
        }
    }

    private func disconnected(_ error: RedisError) {
        self.publish { state in
            state.isConnected = false
            state.lastError = error
        }
    }

    private func publish(_ change: (inout RedisConnectionState) -> Void) {
        let state = self.observed.withLock { state in
            change(&state)
            return state
        }
        self.observer?(state)
    }
}
