// SPDX-License-Identifier: Apache-2.0

internal import Mesh
internal import Messaging
internal import Placement
import Synchronization
internal import Wire

/// Keeps ``RouterPositions`` and hands them to the event loops behind what was delivered. May be used from any thread.
final class RouterProgress: Sendable {
    private let loops: [SessionLoop]
    private let onLoss: @Sendable () -> Void
    private let positions = Mutex(RouterPositions())

    /// - Parameter onLoss: called when events of routers may not have come to this edge.
    init(loops: [SessionLoop], onLoss: @escaping @Sendable () -> Void) {
        self.loops = loops
        self.onLoss = onLoss
    }

    func linkUp(_ peer: PeerIdentity) {
        guard peer.role == .router else { return }
        self.change { $0.linkUp(peer.name, peer.incarnation) }
    }

    func linkDown(_ peer: PeerIdentity) {
        guard peer.role == .router else { return }
        self.change { $0.linkDown(peer.name) }
    }

    /// The edge has taken a newer view.
    func ownersChanged(_ owners: Set<RouterLife>) {
        self.change { $0.ownersChanged(owners) }
    }

    /// To be called after the event loops got what came before it.
    func received(_ progress: DeliveryProgress, from peer: PeerIdentity) {
        self.change { $0.received(progress, from: peer.name, peer.incarnation) }
    }

    /// Whether there is a link to this life of a router.
    func isLinked(_ router: String, _ life: Incarnation) -> Bool {
        self.positions.withLock { $0.isLinked(router, life) }
    }

    private func change(_ body: (inout RouterPositions) -> Void) {
        let (snapshot, hasLoss) = self.positions.withLock { positions in
            let losses = positions.snapshot.losses
            body(&positions)
            return (positions.snapshot, positions.snapshot.losses > losses)
        }
        for loop in self.loops { loop.post(snapshot) }
        if hasLoss { self.onLoss() }
    }
}
