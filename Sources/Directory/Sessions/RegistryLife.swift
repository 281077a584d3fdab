// SPDX-License-Identifier: Apache-2.0

/// What tells the registry that a node is connected to from the one that it was connected to before.
///
/// A Redis that restarted, or another one that took its place, may lack what was registered last: replication is
/// asynchronous.
package struct RegistryLife: Hashable, Sendable {
    /// The server's name for its life (`run_id`); empty when it does not tell.
    package var serverRunID: String
    /// Counted by this node: grows too when the same server has been a replica in between.
    package var reign: UInt64

    package init(serverRunID: String, reign: UInt64) {
        self.serverRunID = serverRunID
        self.reign = reign
    }
}
