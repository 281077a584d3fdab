// SPDX-License-Identifier: Apache-2.0

/// Commands that were handed over together: they travel one after the other and are answered together.
struct RedisRequest: Sendable {
    typealias Completion = @Sendable (Result<[RedisValue], RedisError>) -> Void

    var commands: [RedisCommand]
    var wireBytes: Int
    var submittedAt: ContinuousClock.Instant
    var completion: Completion

    init(commands: [RedisCommand], submittedAt: ContinuousClock.Instant, completion: @escaping Completion) {
        self.commands = commands
        self.wireBytes = commands.reduce(0) { $0 + $1.wireBytesMax }
        self.submittedAt = submittedAt
        self.completion = completion
    }
}

/// What waits for the Redis thread, and whether anything may wait at all.
///
/// A pure value: no clock, no I/O, and completions are handed back to be called outside of the lock.
///
///     connecting ──connected──▶ connected ──connectionLost──▶ connecting (tried at once: requests wait)
///         │                                            └────▶ unavailable (tried later: requests are refused)
///         └──attemptFailed──▶ unavailable ──connected──▶ connected
///     any ──stop──▶ stopped
struct RequestQueue {
    private enum Availability {
        case connecting
        case connected
        case unavailable(RedisError)
        case stopped
    }

    private let configuration: RedisConfiguration
    private var availability = Availability.connecting
    /// In the order of arrival; what lies before ``head`` has been taken.
    private var waiting: [RedisRequest] = []
    private var head = 0
    /// Whether the thread found nothing to do and sleeps until it is woken.
    private var isThreadIdle = false

    /// Accepted and not yet answered, on the wire or waiting.
    private(set) var heldCommands = 0
    private(set) var heldBytes = 0

    init(configuration: RedisConfiguration) {
        self.configuration = configuration
    }

    enum SubmitAction {
        case none
        case wakeThread
        case refuse(RedisError)
    }

    mutating func submit(_ request: RedisRequest) -> SubmitAction {
        switch self.availability {
        case .connecting, .connected: break
        case .unavailable(let error): return .refuse(error)
        case .stopped: return .refuse(Self.shutDown)
        }
        let commands = request.commands.count
        guard commands <= self.configuration.queuedCommandsMax, request.wireBytes <= self.configuration.queuedBytesMax
        else { return .refuse(RedisError(.requestTooLarge, "The request is larger than the queue to Redis may be.")) }
        guard self.heldCommands + commands <= self.configuration.queuedCommandsMax,
            self.heldBytes + request.wireBytes <= self.configuration.queuedBytesMax
        else { return .refuse(RedisError(.overloaded, "The queue to Redis is full.")) }
        self.heldCommands += commands
        self.heldBytes += request.wireBytes
        self.waiting.append(request)
        guard self.isThreadIdle else { return .none }
        self.isThreadIdle = false
        return .wakeThread
    }

    struct Batch {
        var requests: [RedisRequest] = []
        /// Those that waited for longer than the command timeout: to be failed, not sent.
        var expired: [RedisRequest] = []
        var isEmpty: Bool { self.requests.isEmpty && self.expired.isEmpty }
    }

    /// The next pipeline. When it is empty the thread is taken to sleep until ``SubmitAction/wakeThread``.
    mutating func nextBatch(now: ContinuousClock.Instant) -> Batch {
        var batch = Batch()
        var commands = 0
        var bytes = 0
        while self.head < self.waiting.count {
            let request = self.waiting[self.head]
            if request.submittedAt.duration(to: now) > self.configuration.commandTimeout {
                batch.expired.append(request)
                self.head += 1
                continue
            }
            let isWithinBounds =
                commands + request.commands.count <= self.configuration.pipelineCommandsMax
                && bytes + request.wireBytes <= self.configuration.pipelineBytesMax
            guard batch.requests.isEmpty || isWithinBounds else { break }
            commands += request.commands.count
            bytes += request.wireBytes
            batch.requests.append(request)
            self.head += 1
        }
        self.discardTaken()
        self.isThreadIdle = batch.isEmpty
        return batch
    }

    /// A request that was taken is about to be completed; its room is free again.
    mutating func finished(_ request: RedisRequest) {
        self.heldCommands -= request.commands.count
        self.heldBytes -= request.wireBytes
    }

    /// What waits begins to wait for its turn only now: that it took several addresses to find the server is not the
    /// server's slowness.
    mutating func connected(now: ContinuousClock.Instant) {
        guard !self.isStopped else { return }
        self.availability = .connected
        for index in self.head..<self.waiting.count {
            self.waiting[index].submittedAt = now
        }
    }

    /// The connection ended and another is tried at once: requests go on waiting.
    mutating func reconnectingAtOnce() {
        guard !self.isStopped else { return }
        self.availability = .connecting
    }

    /// There is no connection and none is about to be made. Returns what waited, to be failed.
    mutating func becameUnavailable(_ error: RedisError) -> [RedisRequest] {
        guard !self.isStopped else { return [] }
        self.availability = .unavailable(error)
        return self.takeAll()
    }

    /// Nothing is accepted from here on. What waits is failed by the thread, which takes it with ``takeAll()``.
    mutating func stop() {
        self.availability = .stopped
    }

    var isStopped: Bool {
        if case .stopped = self.availability { true } else { false }
    }

    mutating func takeAll() -> [RedisRequest] {
        let requests = Array(self.waiting[self.head...])
        self.waiting = []
        self.head = 0
        return requests
    }

    static let shutDown = RedisError(.shutDown, "The connection to Redis was shut down.")

    /// Moves what is left to the front only when at least half is gone, so that each request is moved about once.
    private mutating func discardTaken() {
        guard self.head * 2 >= self.waiting.count else { return }
        self.waiting.removeFirst(self.head)
        self.head = 0
    }
}
