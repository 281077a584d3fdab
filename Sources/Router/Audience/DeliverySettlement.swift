// SPDX-License-Identifier: Apache-2.0

import Directory
import NIOCore

/// Waits until nothing that was sent to the edges before can reach a client any more. Pure: no clock, no links.
///
/// That a member was removed is acknowledged only then (contract C8), for what is under way to an edge would reach the
/// former member afterwards. Every edge answers for itself when what came before has left it. One whose link was lost
/// cannot answer; what it still holds it throws away, once it has been out of touch for the silence limit of a link:
///
///     asked ──answered──▶ settled
///       ▲ │
///       │ failed          (the silence limit passes without a link)
///   linked ▼
///     lost ─────────────▶ settled
package struct DeliverySettlement: Sendable {
    private enum Stage {
        case asked
        case lost(since: NIODeadline)
    }

    private let silenceLimit: TimeAmount
    private var stages: [EdgeLife: Stage] = [:]

    /// - Parameters:
    ///   - linked: the edges to be asked now.
    ///   - lost: edges whose link was lost, and when; those lost longer ago than the limit do not matter.
    ///   - silenceLimit: of the links.
    package init(linked: Set<EdgeLife>, lost: [EdgeLife: NIODeadline], silenceLimit: TimeAmount, now: NIODeadline) {
        self.silenceLimit = silenceLimit
        for (edge, since) in lost {
            self.stages[edge] = .lost(since: since)
        }
        for edge in linked {
            self.stages[edge] = .asked
        }
        self.settleLost(now: now)
    }

    package var isSettled: Bool { self.stages.isEmpty }

    package mutating func answered(_ edge: EdgeLife) {
        self.stages[edge] = nil
    }

    /// No answer came, and none will to this question.
    package mutating func failed(_ edge: EdgeLife, now: NIODeadline) {
        guard case .asked = self.stages[edge] else { return }
        self.stages[edge] = .lost(since: now)
    }

    /// To be called now and then while it is not settled. Returns the edges to be asked again: they have a link.
    package mutating func tick(linked: Set<EdgeLife>, now: NIODeadline) -> [EdgeLife] {
        var asked: [EdgeLife] = []
        for (edge, stage) in self.stages {
            guard case .lost = stage, linked.contains(edge) else { continue }
            self.stages[edge] = .asked
            asked.append(edge)
        }
        self.settleLost(now: now)
        return asked
    }

    private mutating func settleLost(now: NIODeadline) {
        self.stages = self.stages.filter { _, stage in
            guard case .lost(let since) = stage else { return true }
            return now - since <= self.silenceLimit
        }
    }
}
