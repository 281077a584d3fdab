// SPDX-License-Identifier: Apache-2.0

/// What an edge and a router have in common for whoever runs them.
package protocol NodeService: Sendable {
    /// Begins to listen and to dial. Returns when the node has begun; being ready comes later.
    func start() async throws
    /// Why the node cannot do its work at this moment, for people; empty when it can.
    func notReadyReasons() -> [String]
    /// Whether an operator has it take nobody new.
    var isDraining: Bool { get }
    /// Finishes what was accepted, closes everything. Called once, also after a `start` that failed.
    func shutdown() async
}
