// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// How long the token of an open session is good, and what to do about it. Pure.
struct TokenLife: Sendable {
    private let end: NIODeadline
    private let grace: TimeAmount
    private var wasTold = false

    /// - Parameter grace: From the token's end to the session's.
    init(until end: NIODeadline, grace: TimeAmount) {
        self.end = end
        self.grace = grace
    }

    enum Action: Equatable {
        case none
        /// Once: the client should show a fresh token.
        case tell
        case close
    }

    mutating func tick(now: NIODeadline) -> Action {
        guard now >= self.end else { return .none }
        if now - self.end >= self.grace { return .close }
        guard !self.wasTold else { return .none }
        self.wasTold = true
        return .tell
    }
}
