// SPDX-License-Identifier: Apache-2.0

internal import Directory
import Synchronization

/// The other edges that take sessions, for those that are sent away from this one. May be used from any thread.
final class NeighbourEdges: Sendable {
    private let own: String
    private let ready = Mutex<[String]>([])

    init(own: String) {
        self.own = own
    }

    /// `HOST:PORT`, in the order of their names.
    var addresses: [String] { self.ready.withLock { $0 } }

    func leasesRead(_ leases: [NodeLease]) {
        let addresses = leases.filter { $0.role == .edge && $0.state == .ready && $0.name != self.own }
            .sorted { $0.name < $1.name }
            .compactMap(\.httpAddress)
        self.ready.withLock { $0 = addresses }
    }
}
