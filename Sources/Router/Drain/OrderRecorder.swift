// SPDX-License-Identifier: Apache-2.0

import Logging
import Storage

/// Puts operators' orders into the log of a shard: of the first one that takes them. Nobody waits for it: an order is not
/// held up by a database that is away. May be used from any thread.
struct OrderRecorder: Sendable {
    let shards: ShardRoster
    let logger: Logger

    func record(_ entry: OperatorLogEntry) {
        self.record(entry, in: self.shards.names[...], after: [])
    }

    /// One whose outcome is not known may be in one log and is put into the next as well; those who read all of them take
    /// both for one.
    private func record(_ entry: OperatorLogEntry, in names: ArraySlice<String>, after failures: [String]) {
        guard let name = names.first else {
            self.logger.warning(
                "an operator's order is in no shard's log",
                metadata: ["order": "\(entry.action)", "of": "\(entry.detail)", "by": "\(entry.operatorName)"]
                    .merging(["reason": "\(failures.joined(separator: "; "))"]) { first, _ in first }
            )
            return
        }
        guard let services = self.shards[name] else {
            return self.record(entry, in: names.dropFirst(), after: failures)
        }
        services.readers.read { (session) throws(StorageError) in
            try session.log(entry)
        } completion: { result in
            guard case .failure(let error) = result else { return }
            self.record(entry, in: names.dropFirst(), after: failures + [error.message])
        }
    }
}
