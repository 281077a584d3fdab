// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging

/// How a WebSocket ended, and what that means for connecting again.
package struct SocketClosure: Hashable, Sendable {
    package enum Advice: Hashable, Sendable {
        /// Connect again, after a pause with jitter.
        case reconnect
        /// The access token ended: get a fresh one, then connect again.
        case refreshToken
        /// It would end the same way again.
        case giveUp
    }

    package var error: TrunklineError
    package var advice: Advice

    package init(error: TrunklineError, advice: Advice) {
        self.error = error
        self.advice = advice
    }

    /// A close frame of the edge; `code` is nil when it had none.
    ///
    /// Codes that this version does not know go by their range; one below 4000 that speaks of this client's frames would
    /// come again, and any other, such as 1001 "going away" or 1012 "service restart", is the edge's affair.
    package init(code: UInt16?, reason: String) {
        let known = code.flatMap { CloseCode(rawValue: $0) }
        let name = known?.name ?? code.map { "\($0)" } ?? "no code"
        self.error = TrunklineError(.closed(code), "The edge closed the connection: \(name) \(reason)")
        switch (known, code) {
        case (.tokenExpired, _): self.advice = .refreshToken
        case (.protocolError, _), (.invalidText, _), (.messageTooBig, _): self.advice = .giveUp
        case (_, .some(4500...)): self.advice = .giveUp
        case (_, _): self.advice = .reconnect
        }
    }

    /// The connection ended, or never came about, without a close frame.
    package init(lost error: TrunklineError) {
        self.error = error
        self.advice = .reconnect
    }

    /// The edge refused the token or the device.
    package init(refused error: TrunklineError) {
        self.error = error
        switch error.code {
        case .server(.tokenExpired): self.advice = .refreshToken
        case .server(let code) where code.isRetryable: self.advice = .reconnect
        default: self.advice = .giveUp
        }
    }
}
