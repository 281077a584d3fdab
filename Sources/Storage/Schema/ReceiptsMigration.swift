// SPDX-License-Identifier: Apache-2.0

extension Migration {
    /// Watermarks of members, and a number that tells whether anything but messages changed in a conversation.
    ///
    /// `delivered_seq` may lie below `read_seq` in rows that a node of the version before wrote: read implies delivered, so
    /// whoever reads it takes the larger of the two. Neither column has an index, so that a new version of a row fits
    /// beside the old one (heap-only tuples).
    static let receipts = Migration(
        version: 2,
        name: "receipts",
        script: """
            ALTER TABLE members ADD COLUMN delivered_seq bigint NOT NULL DEFAULT 0;
            ALTER TABLE conversations ADD COLUMN state_version bigint NOT NULL DEFAULT 0;
            """
    )
}
