// SPDX-License-Identifier: Apache-2.0

extension Migration {
    /// What users have chosen about their presence, and when they were last seen.
    ///
    /// No index is on these columns, so that their frequent changes can be heap-only: pages that are filled from now on
    /// leave room for that.
    static let presence = Migration(
        version: 3,
        name: "presence",
        script: """
            ALTER TABLE users
                ADD COLUMN presence_status int2 NOT NULL DEFAULT 1,
                ADD COLUMN presence_visibility int2 NOT NULL DEFAULT 1,
                ADD COLUMN last_seen_at bigint;
            ALTER TABLE users SET (fillfactor = 80);

            """
    )
}
