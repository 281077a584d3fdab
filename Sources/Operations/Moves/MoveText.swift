// SPDX-License-Identifier: Apache-2.0

import Storage

/// What people are told of moves that wait for them. Pure.
enum MoveText {
    /// A shard of weight 0 that has slots while none are moved.
    static func remark(onWeightless shard: String) -> String {
        """
        \(shard) still has weight 0: the next move empties it; `trunkline shard weight \(shard) 1` takes it back
        """
    }

    /// Nil without a move, and while somebody carries it out.
    ///
    /// - Parameter signs: what the shards say that can be asked.
    static func warning(of signs: [MoveSigns]) -> String? {
        guard !signs.isEmpty, !signs.contains(where: \.isCarriedOut) else { return nil }
        return signs.contains { $0.wish == .pause }
            ? "\(Self.paused): \(Self.remedy)" : "\(Self.abandoned): \(Self.remedy)"
    }

    static let paused = "a move of slots is paused"
    static let abandoned = "a move of slots was begun, and nobody carries it out"
    static let remedy =
        "`trunkline move resume` goes on, `trunkline move abort` ends it, `trunkline move status` shows it"
}
