// SPDX-License-Identifier: Apache-2.0

import Directory
import Mesh
import Synchronization

/// The links that are up, by role.
final class RouterLinks: Sendable {
    private struct State {
        var edges: Set<EdgeLife> = []
        var routers: Set<String> = []
    }

    private let state = Mutex(State())
    private let unsent = Atomic<UInt64>(0)

    var edges: Set<EdgeLife> { self.state.withLock { $0.edges } }
    var routers: Set<String> { self.state.withLock { $0.routers } }

    /// Deliveries that no link took; their edge is told of the gap, see ``ChangeJournal/missed(by:)``.
    var unsentDeliveries: UInt64 { self.unsent.load(ordering: .relaxed) }

    func countUnsent() {
        self.unsent.add(1, ordering: .relaxed)
    }

    func up(_ peer: PeerIdentity) {
        self.state.withLock { state in
            switch peer.role {
            case .edge: state.edges.insert(EdgeLife(edge: peer.name, incarnation: peer.incarnation))
            case .router: state.routers.insert(peer.name)
            }
        }
    }

    func down(_ peer: PeerIdentity) {
        self.state.withLock { state in
            switch peer.role {
            case .edge: state.edges.remove(EdgeLife(edge: peer.name, incarnation: peer.incarnation))
            case .router: state.routers.remove(peer.name)
            }
        }
    }
}
