// SPDX-License-Identifier: Apache-2.0

import Placement

extension Migration {
    /// What moving slots between shards needs: which slots a shard holds, what is on its way, what changed meanwhile, and
    /// who ordered it.
    ///
    /// - `shard_view.slots` is one bit for each slot that the shard holds, as in `SlotSet`. It is part of the view, so every
    ///   change of it has a new epoch, and the epoch that fences a write fences its slot as well.
    /// - `slot_transfers` has a row for each slot that leaves or arrives; see ``SlotTransfer``.
    /// - `slot_changes` names rows that were written while their slot was copied. Triggers write it; they exist only
    ///   while a move is under way, so that they cost nothing at other times. A function makes its statement from the names
    ///   of the key's columns, because the triggers of all tables share it.
    static let slotMoves = Migration(
        version: 4,
        name: "slot moves",
        script: """
            ALTER TABLE shard_view ADD COLUMN slots bytea CHECK (length(slots) = \(SlotSet.byteCount));
            ALTER TABLE shard_map
                ADD COLUMN connections text[] NOT NULL DEFAULT '{}',
                ADD COLUMN weights int8[] NOT NULL DEFAULT '{}';
            CREATE TABLE slot_move (
                only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
                move_id uuid NOT NULL,
                origin int2[] NOT NULL,
                goal int2[] NOT NULL,
                wish text NOT NULL CHECK (wish IN ('run', 'pause', 'abort')),
                started_by text NOT NULL,
                started_at bigint NOT NULL
            );
            CREATE TABLE slot_transfers (
                slot int2 PRIMARY KEY,
                peer text NOT NULL,
                state text NOT NULL CHECK (state IN ('copying', 'held', 'given', 'kept', 'receiving')),
                move_id uuid NOT NULL
            );
            CREATE TABLE slot_changes (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                slot int2 NOT NULL,
                relation text NOT NULL,
                key jsonb NOT NULL
            );
            CREATE TABLE operator_log (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                at bigint NOT NULL,
                operator text NOT NULL,
                action text NOT NULL,
                detail text NOT NULL
            );
            CREATE FUNCTION record_slot_changes() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                EXECUTE format(
                    'INSERT INTO slot_changes (slot, relation, key)
                     SELECT DISTINCT r.slot, %L, jsonb_build_array(%s) FROM changed r
                     JOIN slot_transfers t ON t.slot = r.slot AND t.state = ''copying''',
                    TG_ARGV[0], TG_ARGV[1]
                );
                RETURN NULL;
            END
            $body$;
            """
    )
}
