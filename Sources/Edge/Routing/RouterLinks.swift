// SPDX-License-Identifier: Apache-2.0

package import Mesh
package import Messaging
package import NIOCore

/// What the edge needs of the mesh: asking routers and telling them. May be used from any thread.
package protocol RouterLinks: Sendable {
    /// The names of the routers that there is a link to.
    var linkedRouters: [String] { get }

    /// The same with the life of each that the link is to.
    var linkedLives: [String: Incarnation] { get }

    /// - Parameter completion: called exactly once, on any thread; must not block.
    func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to router: String,
        deadline: NIODeadline,
        completion: @escaping @Sendable (Result<MeshResponse, MeshError>) -> Void
    )

    @discardableResult
    func notify(kind: UInt16, payload: ByteBuffer, to router: String, class trafficClass: TrafficClass) -> SendOutcome
}

extension MeshNode: RouterLinks {
    package var linkedRouters: [String] {
        self.peers.filter { $0.role == .router }.map(\.name)
    }

    package var linkedLives: [String: Incarnation] {
        let routers = self.peers.filter { $0.role == .router }
        return Dictionary(routers.map { ($0.name, $0.incarnation) }, uniquingKeysWith: { max($0, $1) })
    }
}
