// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// When an open session shows a fresh token. Pure.
struct TokenRenewal {
    /// The end of the token that the session goes by.
    private(set) var shownEndsAt = NIODeadline.distantFuture
    private var renewAt = NIODeadline.distantFuture
    private var isUnderWay = false

    /// A token was shown, and is good. It is renewed ``SessionCredentials/margin`` before its end, or after half of its
    /// time when that is later, so that tokens of a few seconds are not renewed without end.
    mutating func shown(endsAt: NIODeadline, now: NIODeadline) {
        let left = max(endsAt - now, .zero)
        self.shownEndsAt = endsAt
        self.renewAt = endsAt - min(SessionCredentials.margin, .nanoseconds(left.nanoseconds / 2))
        self.isUnderWay = false
    }

    /// Returns whether to begin now; then ``shown(endsAt:now:)`` or ``failed(pause:now:)`` has to follow.
    mutating func begin(now: NIODeadline) -> Bool {
        guard !self.isUnderWay, now >= self.renewAt else { return false }
        self.isUnderWay = true
        return true
    }

    /// The edge says that the token has ended already.
    mutating func ended(now: NIODeadline) {
        self.renewAt = min(self.renewAt, now)
    }

    mutating func failed(pause: TimeAmount, now: NIODeadline) {
        self.isUnderWay = false
        self.renewAt = now + pause
    }
}
