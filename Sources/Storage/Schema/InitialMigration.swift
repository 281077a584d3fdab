// SPDX-License-Identifier: Apache-2.0

extension Migration {
    /// The first schema. Every row carries the slot it belongs to, so that a slot can be copied and deleted as a unit.
    ///
    /// `conversations` leaves half of each page free and has no index on what changes with every batch (`head_seq`), so that
    /// the new version of a row fits beside the old one and no index is touched (heap-only tuples). `messages` and
    /// `message_ids` are partitioned by time, so that what is too old goes by dropping a table; see ``Partition``.
    static let initial = Migration(
        version: 1,
        name: "initial schema",
        script: Self.placementTables + Self.userTables + Self.conversationTables + Self.messageTables
    )

    private static let placementTables = """
        CREATE TABLE shard_identity (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            cluster text NOT NULL,
            shard text NOT NULL
        );
        CREATE TABLE shard_view (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            epoch bigint NOT NULL CHECK (epoch >= 0),
            routers text[] NOT NULL,
            changed_by text NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT now()
        );
        INSERT INTO shard_view (epoch, routers, changed_by) VALUES (0, '{}', 'migrate');
        CREATE TABLE shard_map (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            version bigint NOT NULL CHECK (version > 0),
            shards text[] NOT NULL,
            assignment int2[] NOT NULL CHECK (cardinality(assignment) = 4096)
        );
        CREATE FUNCTION fence_holds(expected bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $body$
        BEGIN
            LOCK TABLE shard_view IN ROW SHARE MODE;
            RETURN EXISTS (SELECT FROM shard_view WHERE epoch = expected);
        END
        $body$;
        CREATE FUNCTION wait_for_fenced_writes() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            LOCK TABLE shard_view IN EXCLUSIVE MODE;
            RETURN NULL;
        END
        $body$;
        CREATE TRIGGER shard_view_waits BEFORE UPDATE OR DELETE ON shard_view
            FOR EACH STATEMENT EXECUTE FUNCTION wait_for_fenced_writes();
        CREATE TABLE outbox (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            slot int2 NOT NULL,
            target_slot int2 NOT NULL,
            kind int2 NOT NULL,
            payload bytea NOT NULL,
            created_at bigint NOT NULL
        );
        CREATE INDEX outbox_slot ON outbox (slot, id);

        """

    private static let userTables = """
        CREATE TABLE users (
            user_id uuid PRIMARY KEY,
            slot int2 NOT NULL,
            username text NOT NULL,
            display_name text NOT NULL,
            password_hash text NOT NULL,
            created_at bigint NOT NULL
        );
        CREATE TABLE usernames (
            username text PRIMARY KEY,
            slot int2 NOT NULL,
            user_id uuid NOT NULL
        );
        CREATE TABLE devices (
            user_id uuid NOT NULL,
            device_id uuid NOT NULL,
            slot int2 NOT NULL,
            name text NOT NULL,
            type text NOT NULL,
            created_at bigint NOT NULL,
            last_seen_at bigint NOT NULL,
            revoked_at bigint,
            PRIMARY KEY (user_id, device_id)
        ) WITH (fillfactor = 80);
        CREATE TABLE refresh_tokens (
            user_id uuid NOT NULL,
            device_id uuid NOT NULL,
            token_hash bytea NOT NULL,
            slot int2 NOT NULL,
            issued_at bigint NOT NULL,
            expires_at bigint NOT NULL,
            used_at bigint,
            PRIMARY KEY (user_id, token_hash)
        );
        CREATE TABLE user_conversations (
            user_id uuid NOT NULL,
            conversation_id uuid NOT NULL,
            slot int2 NOT NULL,
            kind int2 NOT NULL,
            version bigint NOT NULL,
            removed boolean NOT NULL,
            joined_at bigint NOT NULL,
            PRIMARY KEY (user_id, conversation_id)
        );

        """

    private static let conversationTables = """
        CREATE TABLE conversations (
            conversation_id uuid PRIMARY KEY,
            slot int2 NOT NULL,
            kind int2 NOT NULL,
            title text NOT NULL,
            created_by uuid NOT NULL,
            created_at bigint NOT NULL,
            head_seq bigint NOT NULL DEFAULT 0,
            member_count int NOT NULL,
            members_version bigint NOT NULL,
            deleted_at bigint
        ) WITH (fillfactor = 50);
        CREATE TABLE members (
            conversation_id uuid NOT NULL,
            user_id uuid NOT NULL,
            slot int2 NOT NULL,
            role int2 NOT NULL,
            joined_seq bigint NOT NULL,
            joined_at bigint NOT NULL,
            read_seq bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (conversation_id, user_id)
        ) WITH (fillfactor = 80);

        """

    private static let messageTables = """
        CREATE TABLE messages (
            conversation_id uuid NOT NULL,
            seq bigint NOT NULL,
            period int NOT NULL,
            slot int2 NOT NULL,
            kind int2 NOT NULL,
            sender_id uuid NOT NULL,
            sender_device uuid NOT NULL,
            client_message_id uuid NOT NULL,
            created_at bigint NOT NULL,
            body text NOT NULL,
            PRIMARY KEY (conversation_id, seq, period)
        ) PARTITION BY RANGE (period);
        CREATE TABLE messages_default PARTITION OF messages DEFAULT;
        CREATE TABLE message_ids (
            conversation_id uuid NOT NULL,
            sender_id uuid NOT NULL,
            client_message_id uuid NOT NULL,
            slot int2 NOT NULL,
            seq bigint NOT NULL,
            created_at bigint NOT NULL,
            PRIMARY KEY (conversation_id, sender_id, client_message_id)
        ) PARTITION BY RANGE (client_message_id);
        CREATE TABLE message_ids_default PARTITION OF message_ids DEFAULT;
        """
}
