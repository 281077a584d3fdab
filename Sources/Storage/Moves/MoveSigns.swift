// SPDX-License-Identifier: Apache-2.0

import Postgres

/// What somebody who only looks sees of a stored move: one that nobody carries out waits for a person.
package struct MoveSigns: Sendable, Equatable {
    package var wish: StoredMove.Wish
    /// Whether an operator's connection has the lock under which slots are moved.
    package var isCarriedOut: Bool

    package init(wish: StoredMove.Wish, isCarriedOut: Bool) {
        self.wish = wish
        self.isCarriedOut = isCarriedOut
    }

    static let query = """
        SELECT wish, EXISTS (
            SELECT FROM pg_catalog.pg_locks l
            WHERE l.locktype = 'advisory' AND l.granted
                AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                AND (l.classid::int8 << 32 | l.objid::int8) = $1
        ) FROM slot_move
        """
    static let parameters: [PostgresValue] = [.int8(OperatorLock.slots.rawValue)]

    /// Nil without a stored move.
    static func read(_ result: PostgresResult) throws(PostgresError) -> MoveSigns? {
        guard var row = result.first, let wish = try StoredMove.Wish(rawValue: row.text()) else { return nil }
        return try MoveSigns(wish: wish, isCarriedOut: row.bool())
    }
}

extension ShardSession {
    package func readMoveSigns() throws(StorageError) -> MoveSigns? {
        try self.read(MoveSigns.query, MoveSigns.parameters) { (result) throws(PostgresError) in
            try MoveSigns.read(result)
        }
    }
}
