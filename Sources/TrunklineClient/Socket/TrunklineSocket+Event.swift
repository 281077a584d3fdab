// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
package import Messaging
package import NIOCore

/// What may be set of a socket, and what it tells.
extension TrunklineSocket {
    package struct Settings: Sendable {
        /// What to speak. An edge that does not know the binary protocol is spoken JSON with.
        package var subprotocol = ClientSubprotocol.json
        /// From connecting to `authenticated`.
        package var openTimeout = TimeAmount.seconds(10)
        /// Bytes of one message that comes, whole or in fragments.
        package var messageBytesMax = 1024 * 1024
        /// Commands that may wait for their answer; less when the edge says so in `authenticated`.
        package var outstandingCommandsMax = 1024
        /// Bytes that may wait to be written.
        package var unsentBytesMax = 4 * 1024 * 1024
        /// How long the edge may take to answer a close frame.
        package var closeTimeout = TimeAmount.seconds(3)
        /// The longest time that an edge may have this client wait for its turn; for a longer one it is left.
        package var turnWaitMax = TimeAmount.minutes(10)
        /// Turns that are waited for on one connection: an edge that keeps its promises needs one.
        package var turnsMax = 3
        /// Of edges that are spoken to over TLS.
        package var trust = EdgeTrust.system

        package init() {}
    }

    package enum Event: Sendable {
        /// The edge has too many that begin and gave this client a turn: it authenticates again after the pause that the
        /// error says, on the same connection.
        case turnGiven(TrunklineError)
        /// The first event but for ``turnGiven(_:)``, unless it is ``closed(_:)``.
        case authenticated(Authenticated)
        /// The answer to ``send(_:)`` with that id.
        case sent(UInt64, MessageSent)
        /// The answer to ``send(_:isRead:)`` with that id.
        case receiptStored(UInt64, ReceiptStored)
        /// The other answer to both.
        case refused(UInt64, Failure)
        /// The answer to ``authenticate(token:)``: the session goes on, or what speaks against the token.
        case prolonged(Result<Authenticated, Failure>)
        case message(DeliveredMessage)
        /// Part of what a sync brings.
        case syncMessages(SyncMessages)
        case syncReceipts(SyncReceipts)
        /// The answer to ``sync(_:cursorsPerPart:)`` with that id.
        case synced(UInt64, Synced)
        /// A fresh resume token.
        case resume(String)
        /// Any other event of the cluster; among them errors without an id, and the answers to ``perform(_:)``.
        case other(ServerMessage)
        /// The last event; comes exactly once.
        case closed(SocketClosure)
    }
}

extension ClientSubprotocol {
    /// What to offer an edge, in the order of preference. JSON needs no offer, and edges of earlier versions know none.
    var offers: [ClientSubprotocol] {
        switch self {
        case .json: []
        case .binary: [.binary, .json]
        }
    }
}
