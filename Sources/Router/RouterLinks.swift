// SPDX-License-Identifier: Apache-2.0

import Directory
import Mesh
import NIOCore
import Synchronization

/// The links that are up, by role.
final class RouterLinks: Sendable {
    private struct State {
        var edges: Set<EdgeLife> = []
        /// Links that were lost within ``lostFor``.
        var lostEdges: [EdgeLife: NIODeadline] = [:]
        var routers: Set<String> = []
    }

    /// How long it is remembered that a link was lost; longer than the silence limit of a link can be.
    private static let lostFor = TimeAmount.seconds(90)

    private let state = Mutex(State())
    private let unsent = Atomic<UInt64>(0)

    var edges: Set<EdgeLife> { self.state.withLock { $0.edges } }
    /// Edges whose link was lost not long ago, and when.
    var lostEdges: [EdgeLife: NIODeadline] { self.state.withLock { $0.lostEdges } }
    var routers: Set<String> { self.state.withLock { $0.routers } }

    /// The nodes with a link.
    var names: Set<String> { self.state.withLock { $0.routers.union($0.edges.map(\.edge)) } }

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
            case .edge:
                let edge = EdgeLife(edge: peer.name, incarnation: peer.incarnation)
                let now = NIODeadline.now()
                state.edges.remove(edge)
                state.lostEdges = state.lostEdges.filter { now - $0.value < Self.lostFor }
                state.lostEdges[edge] = now
            case .router: state.routers.remove(peer.name)
            }
        }
    }
}
