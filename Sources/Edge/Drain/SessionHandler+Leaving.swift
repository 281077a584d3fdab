// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import NIOCore

extension SessionHandler {
    /// How long a session that was asked to go is waited for beyond its window.
    static let leavingGrace = TimeAmount.seconds(10)

    /// Returns false when it is not open, or was asked before.
    func askToGo(within window: TimeAmount, to edge: String?) -> Bool {
        guard self.openOwner != nil, self.leavesAt == nil else { return false }
        self.leavesAt = self.now + window + Self.leavingGrace
        self.send(.reconnect(Reconnect(withinMilliseconds: Int(window.nanoseconds / 1_000_000), edge: edge)))
        self.flushIfNeeded()
        return true
    }

    func leavingTicked(now: NIODeadline) {
        guard let leavesAt = self.leavesAt, now >= leavesAt else { return }
        self.close(.shuttingDown)
    }
}
