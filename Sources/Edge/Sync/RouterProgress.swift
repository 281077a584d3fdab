// SPDX-License-Identifier: Apache-2.0

internal import Mesh
internal import NIOCore
import Synchronization
internal import Wire

/// Keeps ``RouterPositions`` and hands them to the event loops behind what was delivered. May be used from any thread.
final class RouterProgress: Sendable {
    /// How long a link may be away until what it may have taken with it is asked for.
    static let patience = TimeAmount.seconds(1)

    private let loops: [SessionLoop]
    private let eventLoop: any EventLoop
    private let positions = Mutex(RouterPositions())

    /// - Parameter eventLoop: for the time.
    init(loops: [SessionLoop], eventLoop: any EventLoop) {
        self.loops = loops
        self.eventLoop = eventLoop
    }

    func linkUp(_ peer: PeerIdentity) {
        guard peer.role == .router else { return }
        self.change { $0.linkUp(peer.name, peer.incarnation) }
    }

    func linkDown(_ peer: PeerIdentity) {
        guard peer.role == .router else { return }
        let ending = self.change { $0.linkDown(peer.name) }
        self.eventLoop.scheduleTask(in: Self.patience) {
            self.change { $0.patienceEnded(peer.name, ending: ending) }
        }
    }

    /// To be called after the event loops got what came before it.
    func received(_ progress: DeliveryProgress, from peer: PeerIdentity) {
        self.change { $0.received(progress, from: peer.name, peer.incarnation) }
    }

    private func change<Result>(_ body: (inout RouterPositions) -> Result) -> Result {
        let (result, snapshot) = self.positions.withLock { positions in
            let result = body(&positions)
            return (result, positions.snapshot)
        }
        for loop in self.loops { loop.post(snapshot) }
        return result
    }
}
