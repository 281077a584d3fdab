// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Logging
internal import Mesh
internal import Messaging
internal import NIOCore
internal import Observability
internal import Placement
import Synchronization
internal import Wire

/// Where the mesh puts what routers send to this edge. May be called on any event loop.
///
/// The mesh needs it before the sessions exist, and the sessions need the mesh: ``connect(_:)`` closes the circle before
/// the first link can be up.
final class MeshInbox: MeshDelegate {
    struct Receivers: Sendable {
        var routing: RoutingState
        var dispatcher: DeliveryDispatcher
        /// There is a link to a router that knows nothing of this edge.
        var linkUp: @Sendable () -> Void
        var presence: PresenceService
        /// Completes when what was handed to the sessions of these users before has left this process.
        var settle: @Sendable ([UserID]) -> EventLoopFuture<Void>
        var progress: RouterProgress
        /// Does what an operator wants.
        var operate: @Sendable (OperateNode) -> Result<NodeReport, Failure>
        /// Closes a session of this edge that has a newer one elsewhere.
        var displaced: @Sendable (DisplaceSession) -> Void
    }

    private let receivers = Mutex<Receivers?>(nil)
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    func connect(_ receivers: Receivers) {
        self.receivers.withLock { $0 = receivers }
    }

    func meshLinkUp(_ peer: PeerIdentity) {
        guard let receivers = self.receivers.withLock({ $0 }) else { return }
        // Before the router hears anything: from then on it passes on what others have, and its loss has to be noticed.
        receivers.progress.linkUp(peer)
        receivers.linkUp()
        receivers.presence.linkUp(peer.name)
    }

    func meshLinkDown(_ peer: PeerIdentity, reason: String) {
        guard let receivers = self.receivers.withLock({ $0 }) else { return }
        receivers.presence.linkDown(peer.name)
        receivers.dispatcher.linkDown(peer.name)
        receivers.progress.linkDown(peer)
    }

    /// The edge has taken a newer view.
    func ownersChanged(_ owners: Set<RouterLife>) {
        self.receivers.withLock { $0 }?.progress.ownersChanged(owners)
    }

    /// Routers ask edges two things: whether what they sent has gone out, and what an operator wants.
    func meshRequest(_ request: InboundRequest) {
        guard let receivers = self.receivers.withLock({ $0 }) else {
            return Self.refuse(request, Failure(.unavailable, "This edge is starting."))
        }
        do throws(FieldError) {
            switch RequestKind(rawValue: request.kind) {
            case .settleDeliveries:
                self.settle(try SettleDeliveries(decoding: request.payload), request, receivers)
            case .operateNode:
                switch receivers.operate(try OperateNode(decoding: request.payload)) {
                case .success(let report):
                    request.reply(status: ResponseStatus.ok.rawValue, payload: report.encoded())
                case .failure(let failure):
                    Self.refuse(request, failure)
                }
            default:
                Self.refuse(request, Failure(.unknownType, "An edge answers no request of kind \(request.kind)."))
            }
        } catch {
            receivers.dispatcher.malformed(error, from: request.peer.name)
            Self.refuse(request, Failure(.internal, "A request from another node could not be read: \(error)."))
        }
    }

    private func settle(_ question: SettleDeliveries, _ request: InboundRequest, _ receivers: Receivers) {
        // What came before it in the same read is still being collected.
        receivers.dispatcher.readComplete(from: request.peer.name)
        receivers.dispatcher.membersLeft(question)
        receivers.settle(question.users).whenComplete { _ in
            request.reply(status: ResponseStatus.ok.rawValue, payload: ByteBuffer())
        }
    }

    private static func refuse(_ request: InboundRequest, _ failure: Failure) {
        request.reply(status: ResponseStatus.failed.rawValue, payload: FailureBody(failure).encoded())
    }

    func meshNotification(kind: UInt16, payload: ByteBuffer, from peer: PeerIdentity) {
        guard let receivers = self.receivers.withLock({ $0 }) else { return }
        do throws(FieldError) {
            switch NotificationKind(rawValue: kind) {
            case .deliver: receivers.dispatcher.deliverReceived(payload, from: peer.name)
            case .conversationEvent: receivers.dispatcher.eventReceived(payload, from: peer.name)
            case .audience: receivers.dispatcher.audienceReceived(payload, from: peer.name)
            case .relayed: self.relayed(try Relayed(decoding: payload), by: peer, receivers)
            case .receipts: receivers.dispatcher.receiptsReceived(payload, from: peer.name)
            case .routing: receivers.routing.adopt(try RoutingNews(decoding: payload))
            case .deliveryProgress:
                let progress = try DeliveryProgress(decoding: payload)
                // The event loops get what came before first.
                receivers.dispatcher.readComplete(from: peer.name)
                receivers.progress.received(progress, from: peer)
            case .presenceStates: receivers.presence.told(try PresenceStates(decoding: payload), by: peer.name)
            case .presenceWanted: receivers.presence.wanted(try PresenceWanted(decoding: payload), by: peer.name)
            case .typingTold: receivers.presence.typed(try Typing(decoding: payload))
            case .sessionDisplaced: receivers.displaced(try DisplaceSession(decoding: payload))
            // What a later version sends is passed over (contract C9); what edges send comes from no router.
            case .attachment, .sessionUnknown, .presenceReport, .presenceDigest, .presenceStatesWanted, .typing,
                .relayReach, nil:
                break
            }
        } catch {
            receivers.dispatcher.malformed(error, from: peer.name)
        }
    }

    /// What a router passed on for another one. Without a link to the life it comes from it is left out: the edge would not
    /// know any more whom its numbers mean, and what that one sent is asked for again when its link is settled.
    private func relayed(_ relayed: Relayed, by peer: PeerIdentity, _ receivers: Receivers) {
        guard peer.role == .router, receivers.progress.isLinked(relayed.router, relayed.life) else { return }
        switch NotificationKind(rawValue: relayed.kind) {
        case .deliver:
            receivers.dispatcher.deliverReceived(relayed.payload, from: relayed.router, through: peer.name)
        case .audience:
            receivers.dispatcher.audienceReceived(relayed.payload, from: relayed.router, through: peer.name)
        default: break
        }
    }

    func meshReadComplete(from peer: PeerIdentity) {
        self.receivers.withLock { $0 }?.dispatcher.readComplete(from: peer.name)
    }
}
