// SPDX-License-Identifier: Apache-2.0

/// Which sessions are away, since when, and what they were told until they were back: of the users of one event loop.
///
/// A session is away from the loss of its connection until it is authenticated on another one and has what came
/// meanwhile. Pure; times are nanoseconds of any one clock.
package struct ReturnTracker: Sendable {
    /// What an edge, the network or the client library said against something.
    package struct Refusal: Sendable {
        /// As in ``RunCounts/failed``.
        package var name: String
        package var retryAfterMilliseconds: UInt32?
        /// What was said with it.
        package var message: String

        package init(_ name: String, retryAfterMilliseconds: UInt32? = nil, message: String = "") {
            self.name = name
            self.message = message
            self.retryAfterMilliseconds = retryAfterMilliseconds
        }

        /// The one that a storm may bring.
        static let rateLimited = "rate_limited"
        /// How the end of an edge looks, by a crash, by a stop (close code 4000), and by a drain before it: the cause of a
        /// storm, no answer to it.
        static let plainLosses: Set<String> = ["connection_lost", "closed_4000", "asked_to_move"]
    }

    private var awaySince: [Int: Int64] = [:]
    private var dropping: Set<Int> = []
    private var toldToWait: Set<Int> = []
    private var figures = ReturnFigures()
    private var timeBack = LatencyRecorder()

    package init() {}

    /// Sessions that are away now.
    package var awayCount: Int { self.awaySince.count }
    /// What was said against something since the start, by name.
    package var refusals: [String: Int] {
        var refusals = self.figures.errors
        if self.figures.rateLimited > 0 { refusals[Refusal.rateLimited] = self.figures.rateLimited }
        return refusals
    }
    package var lostCount: Int { self.figures.lost }
    /// Whose sessions they are.
    package var away: Set<Int> { Set(self.awaySince.keys) }

    /// The generator cuts the connection; ``lost(_:_:at:)`` follows.
    package mutating func drops(_ user: Int) {
        self.dropping.insert(user)
    }

    /// A connection ended, or none came about.
    package mutating func lost(_ user: Int, _ refusal: Refusal, at nanoseconds: Int64) {
        let isDropped = self.dropping.remove(user) != nil
        guard self.awaySince[user] == nil else {
            // The cut of one that was on its way back is no answer to anything either.
            if !isDropped { self.told(user, refusal) }
            return
        }
        self.awaySince[user] = nanoseconds
        self.figures.lost += 1
        if isDropped {
            self.figures.dropped += 1
        } else {
            self.figures.lossesByReason[refusal.name, default: 0] += 1
            if !Refusal.plainLosses.contains(refusal.name) { self.told(user, refusal) }
        }
    }

    /// Authenticated, and everything is there that was missed.
    package mutating func back(_ user: Int, at nanoseconds: Int64) {
        guard let since = self.awaySince.removeValue(forKey: user) else { return }
        self.figures.back += 1
        self.timeBack.record(nanoseconds: nanoseconds - since)
    }

    /// Something was refused or failed, whatever it was and whether the session is away or not.
    package mutating func told(_ user: Int, _ refusal: Refusal) {
        guard refusal.name == Refusal.rateLimited else {
            self.figures.errors[refusal.name, default: 0] += 1
            if self.figures.firstMessages[refusal.name] == nil {
                let message = refusal.message.prefix(ReturnFigures.messageCharactersMax)
                self.figures.firstMessages[refusal.name] = String(message)
            }
            return
        }
        self.toldToWait.insert(user)
        self.figures.rateLimited += 1
        let wait = Int(refusal.retryAfterMilliseconds ?? 0)
        self.figures.retryAfterMillisecondsTotal += wait
        self.figures.retryAfterMillisecondsMax = max(self.figures.retryAfterMillisecondsMax, wait)
    }

    /// Adds those of another loop, which has other users.
    package mutating func merge(_ other: ReturnTracker) {
        self.awaySince.merge(other.awaySince) { first, _ in first }
        self.toldToWait.formUnion(other.toldToWait)
        self.figures += other.figures
        self.timeBack.merge(other.timeBack)
    }

    package var outcome: ReturnOutcome {
        var figures = self.figures
        figures.sessionsRateLimited = self.toldToWait.count
        return ReturnOutcome(figures: figures, timeBack: self.timeBack)
    }

    package var summary: ReturnFigures { self.outcome.summary }
}

/// What one process knows of the returns of its sessions, to be put together with what others know.
package struct ReturnOutcome: Sendable, Codable {
    private var figures = ReturnFigures()
    private var timeBack = LatencyRecorder()

    package init() {}

    fileprivate init(figures: ReturnFigures, timeBack: LatencyRecorder) {
        self.figures = figures
        self.timeBack = timeBack
    }

    package mutating func merge(_ other: ReturnOutcome) {
        let limited = self.figures.sessionsRateLimited + other.figures.sessionsRateLimited
        self.figures += other.figures
        self.figures.sessionsRateLimited = limited
        self.timeBack.merge(other.timeBack)
    }

    package var summary: ReturnFigures {
        var figures = self.figures
        figures.timeBack = self.timeBack.summary
        return figures
    }
}
