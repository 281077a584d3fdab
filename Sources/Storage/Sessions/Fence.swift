// SPDX-License-Identifier: Apache-2.0

/// The check, in the same transaction as a write, that the shard's view is still the one its router acts under (C3).
///
/// `fence_holds` takes the table lock `ROW SHARE` on `shard_view` until the transaction ends, and then compares the
/// epoch; whoever changes the view takes `EXCLUSIVE`, which conflicts. So no view changes under a write that passed, and
/// every write that waits for a change sees its result, because each statement in a volatile function has a snapshot
/// of its own.
///
/// Not `SELECT … FOR SHARE`, for three measured reasons (4 connections, one-row updates, Postgres 15): sharing
/// the lock of one row makes a multixact per transaction, some 6,000 per second, so that forced vacuums against their
/// wrap-around would come every day; it doubles the bytes of log (286 against 165 per transaction); and those who share a
/// row lock overtake the one who waits to change the row (10 to 50 ms and without a bound), while the queue of a table
/// lock is fair (2 ms). The throughput is the same.
enum Fence {
    /// To be joined by every modifying part of a statement. `$1` is the epoch.
    static let commonTableExpression = "fence AS MATERIALIZED (SELECT 1 AS held WHERE fence_holds($1))"
    /// The first column of such a statement's answer.
    static let column = "EXISTS (SELECT FROM fence)"

    static let check = "SELECT fence_holds($1)"
}
