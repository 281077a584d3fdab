// SPDX-License-Identifier: Apache-2.0

/// What a REST request costs, for the limits of `rates`.
enum RequestLoad: Sendable {
    /// Health, readiness and metrics: an edge that is busy must not look dead.
    case unlimited
    case standard
    /// Hashes a password.
    case login
    case refresh
    /// Stores a message.
    case send
}
