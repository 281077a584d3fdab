// SPDX-License-Identifier: Apache-2.0

import Placement
import Storage

/// What is to be done next for slots that move, decided by what the shards say alone. Pure.
///
/// Whoever carries a move out asks again after each step, and remembers nothing that it could not do without: so a move goes on
/// from wherever its predecessor was killed. What was begun is brought to its end or undone before anything new begins.
package enum MoveDecision: Sendable, Equatable {
    /// Give every shard the newest catalog and the move.
    case spread
    /// The source has given the slots: put them into the target's view.
    case take(MoveSituation.Group)
    /// The target has them in its view: the source has an old copy.
    case keepOldCopy(MoveSituation.Group)
    /// The source takes writes to them again: whoever held them is not there any more, since this one asks.
    case takeBack(MoveSituation.Group)
    /// Forget what has been copied, on the side or sides that know of it.
    case forget(MoveSituation.Group, atSource: Bool, atTarget: Bool)
    /// Copy them and hand them over.
    case carry(MoveSituation.Group)
    /// Note changes of them from now on.
    case begin(MoveSituation.Group)
    /// An operator wants nothing to happen now. Nothing is held.
    case pause
    /// Nothing is left to do.
    case end

    /// - Parameter slotsMax: of one batch.
    package init(_ situation: MoveSituation, slotsMax: Int) {
        guard !situation.isUneven else {
            self = .spread
            return
        }
        self = Self.unfinished(situation) ?? Self.next(situation, slotsMax: slotsMax)
    }

    /// Steps that must not be left standing, whatever is wished.
    private static func unfinished(_ situation: MoveSituation) -> MoveDecision? {
        if let group = situation.leaving(.given).first {
            let held = situation.held[group.target] ?? SlotSet()
            let taken = group.slots.filter(held.contains)
            guard taken.isEmpty else {
                return .keepOldCopy(.init(source: group.source, target: group.target, slots: taken))
            }
            return .take(group)
        }
        if let group = situation.leaving(.held).first { return .takeBack(group) }
        return Self.debris(situation)
    }

    /// What only one of two sides knows of.
    private static func debris(_ situation: MoveSituation) -> MoveDecision? {
        let (leaving, arriving) = (situation.leaving(.copying), situation.arriving)
        for group in arriving {
            let known = leaving.first { $0.source == group.source && $0.target == group.target }?.slots ?? []
            let alone = group.slots.filter { !known.contains($0) }
            guard alone.isEmpty else {
                let group = MoveSituation.Group(source: group.source, target: group.target, slots: alone)
                return .forget(group, atSource: false, atTarget: true)
            }
        }
        for group in leaving {
            let known = arriving.first { $0.source == group.source && $0.target == group.target }?.slots ?? []
            let alone = group.slots.filter { !known.contains($0) }
            guard alone.isEmpty else {
                let group = MoveSituation.Group(source: group.source, target: group.target, slots: alone)
                return .forget(group, atSource: true, atTarget: false)
            }
        }
        return nil
    }

    private static func next(_ situation: MoveSituation, slotsMax: Int) -> MoveDecision {
        let wish = situation.move?.wish ?? .abort
        if wish == .pause { return .pause }
        if let group = situation.leaving(.copying).first {
            return wish == .abort ? .forget(group, atSource: true, atTarget: true) : .carry(group)
        }
        guard wish == .run, let move = situation.move else { return .end }
        guard let way = MovePlan(goal: move.goal).ways(from: situation.catalog.map).first else { return .end }
        return .begin(.init(source: way.source, target: way.target, slots: Array(way.slots.prefix(slotsMax))))
    }
}
