// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Postgres

/// What tells one move from another.
package typealias MoveID = Identifier<MoveKind>
package enum MoveKind: Sendable {}

/// A move that was started and has not ended: stored in every shard, so that it can be gone on with from anywhere.
package struct StoredMove: Sendable, Equatable {
    /// What an operator wants of whoever carries it out.
    package enum Wish: String, Sendable {
        case run, pause, abort
    }

    package var id: MoveID
    /// Where the slots were when it was started, and where they are to be: indices of the catalog's shards, which stay as
    /// they are while there is a move.
    package var origin: [UInt16]
    package var goal: [UInt16]
    package var wish: Wish
    package var startedBy: String
    package var startedAt: UnixMilliseconds

    package init(
        id: MoveID,
        origin: [UInt16],
        goal: [UInt16],
        wish: Wish,
        startedBy: String,
        startedAt: UnixMilliseconds
    ) {
        self.id = id
        self.origin = origin
        self.goal = goal
        self.wish = wish
        self.startedBy = startedBy
        self.startedAt = startedAt
    }

    /// Slots that the move is about.
    package var slotCount: Int {
        zip(self.origin, self.goal).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
    }
}

extension OperatorSession {
    package func readMove() throws(StorageError) -> StoredMove? {
        try self.query("SELECT move_id, origin, goal, wish, started_by, started_at FROM slot_move") {
            (result) throws(PostgresError) -> StoredMove? in
            guard var row = result.first else { return nil }
            let id: MoveID = try row.id()
            let origin = try row.int2Array().map { UInt16(bitPattern: $0) }
            let goal = try row.int2Array().map { UInt16(bitPattern: $0) }
            guard let wish = try StoredMove.Wish(rawValue: row.text()) else {
                throw PostgresError(.unexpectedAnswer, "a stored move has a wish that is not known")
            }
            return try StoredMove(
                id: id,
                origin: origin,
                goal: goal,
                wish: wish,
                startedBy: row.text(),
                startedAt: row.number()
            )
        }
    }

    package func store(_ move: StoredMove) throws(StorageError) {
        try self.query(
            """
            INSERT INTO slot_move AS m (move_id, origin, goal, wish, started_by, started_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (only_row) DO UPDATE
            SET move_id = $1, origin = $2, goal = $3, wish = $4, started_by = $5, started_at = $6
            """,
            [
                .id(move.id), .int2Array(move.origin.map { Int16(bitPattern: $0) }),
                .int2Array(move.goal.map { Int16(bitPattern: $0) }), .text(move.wish.rawValue), .text(move.startedBy),
                .number(move.startedAt),
            ]
        ) { _ in }
    }

    /// Without the lock: it is how a second terminal speaks to the one that carries the move out. Returns whether there is
    /// a move.
    package func setWish(_ wish: StoredMove.Wish) throws(StorageError) -> Bool {
        try self.query("UPDATE slot_move SET wish = $1 RETURNING wish", [.text(wish.rawValue)]) { $0.rowCount == 1 }
    }

    package func deleteMove() throws(StorageError) {
        try self.query("DELETE FROM slot_move") { _ in }
    }
}
