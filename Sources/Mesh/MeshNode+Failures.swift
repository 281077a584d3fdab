// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import Synchronization
import Wire

// MARK: - What went wrong

extension MeshNode {
    func refused(_ refusal: Refusal, byPeer: Bool) {
        self.counters.update { counters in
            if byPeer {
                counters.refusalsByPeers[refusal.code, default: 0] += 1
            } else {
                counters.refusals[refusal.code, default: 0] += 1
            }
        }
        self.log(
            byPeer ? "A peer refused this node" : "Refused a connection",
            [.code: "\(refusal.code)", .reason: refusal.message]
        )
    }

    func protocolError(_ peer: PeerIdentity, _ error: WireError) {
        self.counters.update { $0.protocolErrors += 1 }
        self.log("Closed a link because of what came over it", [.peer: "\(peer)", .reason: "\(error)"])
    }

    func dialFailed(_ peer: MeshPeer, _ error: any Error) {
        self.counters.update { $0.dialsFailed += 1 }
        self.log(
            "Cannot connect",
            [.peer: peer.name, .address: "\(peer.host):\(peer.port)", .cause: "\(error)"]
        )
    }

    /// One line per text, code and peer in a while.
    func log(_ text: String, _ values: [MeshLogKey: String]) {
        let subject = "\(text) \(values[.code] ?? "") \(values[.peer] ?? "")"
        guard let suppressed = self.logGate.withLock({ $0.pass(subject, now: .now()) }) else { return }
        var values = values
        if suppressed > 0 { values[.suppressed] = "\(suppressed)" }
        self.logger.warning("\(text)", metadata: .mesh(values))
    }
}
