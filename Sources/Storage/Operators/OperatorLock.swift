// SPDX-License-Identifier: Apache-2.0

/// What one operator at a time may do, as long as his connection to the shard lasts. The raw value is the number of the
/// advisory lock in the database.
package enum OperatorLock: Int64, Sendable, Hashable, CaseIterable {
    /// Change which slots the shard holds. Routers take it for a moment to see that no operator is there.
    case slots = 8_245_917_730_421_638
    /// Start the nodes of the cluster again, one after the other. It is no obstacle to slots that move, nor they to it.
    case walk = 8_245_917_730_421_639

    /// What its holder does, after the name.
    var work: String {
        switch self {
        case .slots: "works on its slots"
        case .walk: "starts the nodes again, one after the other"
        }
    }
}
