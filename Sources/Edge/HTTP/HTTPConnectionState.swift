// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// What one HTTP connection may do next: how long each step may take, how large a body may be, when it ends. Pure.
///
///             head                    end of request             end of answer
///     idle ─────────▶ reading ─────────────────▶ answering ──────────────────────▶ idle
///      │                 │ the answer to a body that is          │ stopping, or it was
///      │                 │ too large is out before its end       ▼ the last request
///      └── time is up ───┴──────────────▶ closed ◀────────── lingering (nothing more is read)
///
/// Requests may be pipelined: they are read while an earlier one is answered, and answered in order.
struct HTTPConnectionState {
    struct Limits {
        var bodyBytesMax: Int
        var readTimeout: TimeAmount
        var responseTimeout: TimeAmount
        var idleTimeout: TimeAmount
        var lingerTimeout: TimeAmount
    }

    private let limits: Limits
    /// The head of a request was read and its end was not.
    private(set) var isReading = false
    /// Requests whose head was read and whose answer is not written whole.
    private(set) var unanswered = 0
    private var bodyBytes = 0
    /// The request that was read last is the last one: it says so, its body is too large, or what follows is garbage.
    private var isLastRequest = false
    private var isStopping = false
    /// Nothing more is read; the connection is closed as soon as the peer has had the chance to read the answer.
    private(set) var isLingering = false
    /// When the step under way must be over.
    private(set) var deadline: NIODeadline

    init(limits: Limits, now: NIODeadline) {
        self.limits = limits
        self.deadline = now + limits.idleTimeout
    }

    enum PartAction: Equatable {
        case forward
        case drop
    }

    /// - Parameter isLast: the request asks for the connection to end with its answer.
    mutating func headReceived(declaredBodyBytes: Int?, isLast: Bool = false, now: NIODeadline) -> PartAction {
        guard !self.isLingering, !self.isLastRequest else { return .drop }
        self.isReading = true
        self.unanswered += 1
        self.bodyBytes = 0
        self.isLastRequest = isLast || (declaredBodyBytes ?? 0) > self.limits.bodyBytesMax
        if self.unanswered == 1 {
            self.deadline = now + self.limits.readTimeout
        }
        return .forward
    }

    /// The part that passes the bound is still forwarded, so that the reader notices; the ones after it are not.
    mutating func bodyReceived(count: Int) -> PartAction {
        guard !self.isLingering else { return .drop }
        guard self.bodyBytes <= self.limits.bodyBytesMax else { return .drop }
        self.bodyBytes += count
        if self.bodyBytes > self.limits.bodyBytesMax {
            self.isLastRequest = true
        }
        return .forward
    }

    mutating func endReceived(now: NIODeadline) -> PartAction {
        guard !self.isLingering, self.isReading else { return .drop }
        self.isReading = false
        if self.unanswered > 0 {
            self.deadline = now + self.limits.responseTimeout
        }
        return .forward
    }

    enum AnswerAction: Equatable {
        case none
        /// Close the sending side, and everything when the deadline is reached.
        case linger
    }

    mutating func answerEnded(now: NIODeadline) -> AnswerAction {
        self.unanswered = max(0, self.unanswered - 1)
        if self.unanswered == 0, self.isStopping || self.isLastRequest {
            return self.linger(now: now)
        }
        self.deadline =
            switch (self.unanswered, self.isReading) {
            case (0, false): now + self.limits.idleTimeout
            case (0, true), (1, true): now + self.limits.readTimeout
            case (_, _): now + self.limits.responseTimeout
            }
        return .none
    }

    enum FailureAction: Equatable {
        /// Nobody waits for an answer: write the reason and linger.
        case answer
        /// A request is under way; its reader gets the error.
        case forward
        case none
    }

    /// The peer sent something that is not HTTP.
    mutating func parserFailed(now: NIODeadline) -> FailureAction {
        guard !self.isLingering else { return .none }
        guard self.unanswered == 0 else {
            self.isLastRequest = true
            return .forward
        }
        _ = self.linger(now: now)
        return .answer
    }

    enum StopAction: Equatable {
        case close
        case none
    }

    mutating func stopRequested() -> StopAction {
        self.isStopping = true
        return self.unanswered == 0 && !self.isReading ? .close : .none
    }

    enum DeadlineAction: Equatable {
        case close
        case wait(until: NIODeadline)
    }

    func timerFired(now: NIODeadline) -> DeadlineAction {
        now >= self.deadline ? .close : .wait(until: self.deadline)
    }

    private mutating func linger(now: NIODeadline) -> AnswerAction {
        guard !self.isLingering else { return .none }
        self.isLingering = true
        self.deadline = now + self.limits.lingerTimeout
        return .linger
    }
}
