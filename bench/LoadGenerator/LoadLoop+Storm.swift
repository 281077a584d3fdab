// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Losing connections and coming back.
extension LoadLoop {
    /// Cuts every connection there is, in one turn of the loop.
    func cutAll() {
        guard !self.isClosing else { return }
        for (device, session) in self.sessions where session.isOpen {
            self.returns.drops(device)
            session.drop()
        }
    }

    /// A session tells something after the sending began.
    func trackReturn(_ event: TrunklineSession.Event, _ device: Int) {
        let now = Int64(clamping: NIODeadline.now().uptimeNanoseconds)
        switch event {
        case .disconnected(let error, _), .ended(let error):
            let lostBefore = self.returns.lostCount
            self.returns.lost(device, ReturnTracker.Refusal(error), at: now)
            if self.returns.lostCount > lostBefore { self.series.connectionLost(at: self.elapsed) }
        case .caughtUp:
            self.returns.back(device, at: now)
        case .delayed(let error), .refused(_, let error), .failed(_, let error):
            self.returns.told(device, ReturnTracker.Refusal(error))
        case .other(.error(_, let failure)) where failure.code != .tokenExpired:
            // A token that ended is renewed by the session itself.
            self.returns.told(device, ReturnTracker.Refusal(TrunklineError(failure)))
        case .connected, .message, .acknowledged, .skipped, .receipt, .receiptFailed, .presence, .typing, .other:
            break
        }
    }
}

extension ReturnTracker.Refusal {
    init(_ error: TrunklineError) {
        self.init(error.name, retryAfterMilliseconds: error.retryAfterMilliseconds, message: error.message)
    }
}
