// SPDX-License-Identifier: Apache-2.0

import Placement
import Storage

/// What the shards say of slots that move, put together by whoever carries a move out.
package struct MoveSituation: Sendable, Equatable {
    /// The newest that any shard has.
    package var catalog: ShardCatalog
    /// The slots in each shard's view.
    package var held: [String: SlotSet]
    package var transfers: [String: [SlotTransfer]]
    package var move: StoredMove?
    /// Whether a shard has an older catalog, or does not know the move.
    package var isUneven: Bool

    package init(
        catalog: ShardCatalog,
        held: [String: SlotSet],
        transfers: [String: [SlotTransfer]],
        move: StoredMove?,
        isUneven: Bool
    ) {
        self.catalog = catalog
        self.held = held
        self.transfers = transfers
        self.move = move
        self.isUneven = isUneven
    }

    /// Slots of one way that are in one state.
    package struct Group: Sendable, Equatable {
        package var source: String
        package var target: String
        package var slots: [Slot]

        package init(source: String, target: String, slots: [Slot]) {
            self.source = source
            self.target = target
            self.slots = slots
        }
    }

    /// Those that a source has in a state, by source and target.
    package func leaving(_ state: SlotTransfer.State) -> [Group] {
        self.groups(state) { Group(source: $0, target: $1, slots: $2) }
    }

    /// Those that a target is to receive.
    package var arriving: [Group] {
        self.groups(.receiving) { Group(source: $1, target: $0, slots: $2) }
    }

    private func groups(
        _ state: SlotTransfer.State,
        _ group: (_ shard: String, _ peer: String, [Slot]) -> Group
    ) -> [Group] {
        self.transfers.sorted { $0.key < $1.key }.flatMap { shard, transfers in
            let byPeer = Dictionary(grouping: transfers.filter { $0.state == state }, by: \.peer)
            return byPeer.sorted { $0.key < $1.key }.map { group(shard, $0.key, $0.value.map(\.slot).sorted()) }
        }
    }
}
