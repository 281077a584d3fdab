// SPDX-License-Identifier: Apache-2.0

/// One numbered step of a shard's schema. Steps are never changed once released; new ones only add (contract C9).
struct Migration: Sendable {
    var version: Int64
    var name: String
    /// Statements separated by semicolons, run in the one transaction of all pending steps.
    var script: String

    static let all: [Migration] = [.initial, .receipts, .presence, .slotMoves]

    static var latestVersion: Int64 {
        Self.all.last?.version ?? 0
    }
}
