// SPDX-License-Identifier: Apache-2.0

import Placement
import Storage
import Synchronization
import Threads

/// What serves one shard in a router. The keeper looks after it, writers and readers do the work.
package struct ShardServices: Sendable {
    package let writers: [ShardWriter]
    package let readers: ShardReaders

    package init(writers: [ShardWriter], readers: ShardReaders) {
        self.writers = writers
        self.readers = readers
    }

    func writer(of slot: Slot) -> ShardWriter {
        self.writers[self.writerIndex(of: slot)]
    }

    func writerIndex(of slot: Slot) -> Int {
        // Slots of one shard are not evenly spread modulo a small number, but their quotients are.
        (Int(slot.number) / 16) % self.writers.count
    }
}

/// The shards that a router serves. They come and go while it runs: the catalog in each shard names all of them. May be used
/// from any thread.
package final class ShardRoster: Sendable {
    struct Entry: Sendable {
        var services: ShardServices
        var keeper: ShardKeeper
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Shards that a catalog has named: one that it names no more has been removed.
        var catalogued: Set<String> = []
        var isEnding = false
    }

    private let state = Mutex(State())

    init() {}

    subscript(shard: String) -> ShardServices? {
        self.state.withLock { $0.entries[shard]?.services }
    }

    func keeper(of shard: String) -> ShardKeeper? {
        self.state.withLock { $0.entries[shard]?.keeper }
    }

    var names: [String] {
        self.state.withLock { $0.entries.keys.sorted() }
    }

    var services: [String: ShardServices] {
        self.state.withLock { $0.entries.mapValues(\.services) }
    }

    var keepers: [ShardKeeper] {
        self.state.withLock { $0.entries.values.map(\.keeper) }
    }

    // MARK: - Changes

    /// Which of these shards are not served yet. One call at a time.
    func missing(of shards: some Sequence<ShardDescriptor>) -> [ShardDescriptor] {
        self.state.withLock { state in
            state.isEnding ? [] : shards.filter { state.entries[$0.name] == nil }
        }
    }

    /// Returns false when the roster ends, or has the shard: the entry is not to be started then.
    func add(_ entry: Entry, of shard: String) -> Bool {
        self.state.withLock { state in
            guard !state.isEnding, state.entries[shard] == nil else { return false }
            state.entries[shard] = entry
            return true
        }
    }

    /// Takes out the shards that the catalog named once and does not any more. A shard that it never named is one that the
    /// configuration lists and nobody has added yet.
    func removeOthers(than catalogued: Set<String>) -> [String: Entry] {
        self.state.withLock { state in
            let gone = state.catalogued.subtracting(catalogued)
            state.catalogued = catalogued
            var removed: [String: Entry] = [:]
            for shard in gone { removed[shard] = state.entries.removeValue(forKey: shard) }
            return removed
        }
    }

    /// From now on no shard is added. Returns those that are served.
    func end() -> [Entry] {
        self.state.withLock { state in
            state.isEnding = true
            return Array(state.entries.values)
        }
    }
}
