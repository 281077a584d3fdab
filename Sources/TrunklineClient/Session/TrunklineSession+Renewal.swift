// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore

/// Shows the edge a fresh token before the session's ends. What goes wrong here costs the session at most its
/// connection: the edge closes it with `token_expired`, and connecting anew finds out the rest.
extension TrunklineSession {
    func renewIfDue(_ socket: TrunklineSocket, now: NIODeadline) {
        guard self.renewal.begin(now: now) else { return }
        // One may be there already: pages are asked for with the same credentials.
        guard self.credentials.accessTokenEndsAt <= self.renewal.shownEndsAt else { return self.show(socket) }
        self.refresh().assumeIsolated().whenComplete { result in
            guard case .open(let current) = self.phase, current === socket else { return }
            switch result {
            case .success: self.show(socket)
            case .failure: self.renewalFailed(nil)
            }
        }
    }

    private func show(_ socket: TrunklineSocket) {
        socket.authenticate(token: self.credentials.accessToken)
    }

    func receivedRenewal(_ result: Result<Authenticated, Failure>) {
        switch result {
        case .success:
            self.statistics.renewals += 1
            self.renewal.shown(endsAt: self.credentials.accessTokenEndsAt, now: .now())
        case .failure(let failure):
            self.renewalFailed(failure.retryAfterMilliseconds)
        }
    }

    private func renewalFailed(_ milliseconds: UInt32?) {
        var pause = self.settings.retry.pause(attempt: 5, using: &self.generator)
        if let milliseconds { pause = pause + .milliseconds(Int64(milliseconds)) }
        self.renewal.failed(pause: pause, now: .now())
    }
}
