// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Storage
import Synchronization

/// A walk over the nodes as the shards know it: the lock that keeps a second one away, and the entries in the operators' log.
///
/// The lock belongs to connections that this process holds: whoever is killed has let go of it. May be used from any thread;
/// one call at a time gets through.
package final class RollRecord: Sendable {
    private let cluster: Mutex<OperatorCluster>

    package init(settings: ClusterSettings, secrets: ResolvedSecrets) {
        self.cluster = Mutex(OperatorCluster(settings: settings, secrets: secrets))
    }

    /// Takes the lock, or sees that it is still there: a shard that was started again has forgotten it.
    ///
    /// - Throws: who walks already, or that no shard can be reached.
    package func claim() async throws(OperationsError) {
        let result = await onOwnThread(named: "roll") { () -> Result<Void, OperationsError> in
            self.cluster.withLock { cluster in
                do throws(OperationsError) {
                    return .success(try cluster.lockWalk())
                } catch {
                    return .failure(error)
                }
            }
        }
        guard let result else { throw .noThread }
        try result.get()
    }

    /// Puts an entry into the log of every shard that can be reached.
    ///
    /// - Returns: why it is in none; nil when it is in one at least.
    package func note(_ action: String, _ detail: String) async -> String? {
        await onOwnThread(named: "roll") { self.noteBlocking(action, detail) } ?? "the system has no thread left"
    }

    /// The same; blocks the thread.
    package func noteBlocking(_ action: String, _ detail: String) -> String? {
        self.cluster.withLock { $0.logWhereReachable(action, detail) }
    }

    /// Lets go of the lock.
    package func end() async {
        _ = await onOwnThread(named: "roll") { self.cluster.withLock { $0.close() } }
    }
}
