// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Synchronization
import Wire

/// The ``ChangeLog`` of a router, shared by its threads.
///
/// That no change falls between an answer and the live events (contract C4) follows from two orders:
///
/// - A change is recorded by ``record(_:)`` **before** it is handed to the event loop of its audience.
/// - An edge announces a user **before** it asks for the user's changes, over the same link, and the announcement is
///   handed to the event loops of all audiences before the question is answered.
///
/// So a change that is not in the answer was recorded after it, came to its event loop behind the announcement, and was
/// sent to that edge. One that is in the answer may be sent as well; the edge leaves it out by its number.
package final class ChangeJournal: Sendable {
    private struct State {
        var log: ChangeLog
        var settled = SettledPositions()
        /// Of the routing table that the log's ownership follows.
        var routing: UInt64 = 0
        var epochs: [String: UInt64] = [:]
        var mapVersion: UInt64 = 0
        var gaps: Set<String> = []
        /// How far each edge has to have come with which routers before it has come as far with this one.
        var relayed: [String: [Incarnation: UInt64]] = [:]
        var questions: UInt64 = 0
        var unanswerable: UInt64 = 0
    }

    private let state: Mutex<State>
    private let own: RouterLife
    private let life: Incarnation

    /// For metrics.
    package struct Counts: Sendable {
        package var position: UInt64
        package var conversations: Int
        package var questions: UInt64
        /// Questions about something forgotten.
        package var unanswerable: UInt64
    }

    package init(own: RouterLife, life: Incarnation, bounds: ChangeLog.Bounds = ChangeLog.Bounds()) {
        self.own = own
        self.life = life
        self.state = Mutex(State(log: ChangeLog(bounds: bounds)))
    }

    package var counts: Counts {
        self.state.withLock {
            Counts(
                position: $0.log.position,
                conversations: $0.log.conversationCount,
                questions: $0.questions,
                unanswerable: $0.unanswerable
            )
        }
    }

    // MARK: - Changes

    /// Gives each parcel its position, if it tells of a change. To be called before any of them is handed on.
    package func record(_ parcels: [Parcel]) -> [Parcel] {
        self.state.withLock { state in
            parcels.map { parcel in
                guard let position = Self.record(parcel, &state.log) else { return parcel }
                var parcel = parcel
                parcel.position = position
                state.settled.began()
                return parcel
            }
        }
    }

    private static func record(_ parcel: Parcel, _ log: inout ChangeLog) -> UInt64? {
        switch parcel.content {
        case .message(let message):
            log.record(parcel.conversation, headSeq: message.seq, members: parcel.members)
        case .event(let event):
            log.record(
                parcel.conversation,
                headSeq: event.conversation.headSeq,
                members: parcel.members,
                removed: parcel.formerMembers,
                isDeleted: event.kind == .deleted,
                of: .update
            )
        case .receipts:
            // The head of a conversation does not move with them.
            log.record(parcel.conversation, headSeq: 0, members: parcel.members, of: .receipts)
        case .typing, .settlement:
            nil
        }
    }

    /// A parcel was put on the links of its audience.
    package func finished(_ positions: [UInt64]) {
        guard !positions.isEmpty else { return }
        self.state.withLock { state in
            for position in positions { state.settled.finished(position) }
        }
    }

    // MARK: - Passing on

    /// What another router has for edges is about to be put on the links. ``finished(_:)`` is called for it too.
    package func beganRelaying() -> RelayedThrough {
        self.state.withLock { state in
            state.settled.began()
            return RelayedThrough(life: self.life, position: state.log.relayed())
        }
    }

    /// Another router has passed something on to these edges. To be called before the change counts as finished.
    package func relayed(to edges: some Collection<String>, through reached: RelayedThrough) {
        self.state.withLock { state in
            for edge in edges {
                let position = state.relayed[edge]?[reached.life] ?? 0
                state.relayed[edge, default: [:]][reached.life] = max(position, reached.position)
            }
        }
    }

    /// Only these have a link: what others were to be told has no meaning over their next one.
    package func keep(edges: Set<String>) {
        self.state.withLock { state in
            state.relayed = state.relayed.filter { edges.contains($0.key) }
        }
    }

    // MARK: - Ownership

    /// The table has changed. From any thread; a table that is older than the last one changes nothing.
    package func routingChanged(_ table: RoutingTable) {
        self.state.withLock { state in
            let epochs = table.views.mapValues(\.epoch)
            let isOlder = epochs.contains { $0.value < state.epochs[$0.key] ?? 0 }
            let mapVersion = table.map?.version ?? 0
            guard !isOlder, epochs.count >= state.epochs.count, mapVersion >= state.mapVersion else { return }
            // A view in between was missed: a slot may have been away and have come back.
            var continued = SlotSet.all
            for (shard, epoch) in epochs where epoch > (state.epochs[shard] ?? 0) + 1 {
                continued.subtract(table.map?.slots(of: shard) ?? .all)
            }
            let arrival = state.log.ownershipChanged(own: table.slots(of: self.own), continued: continued)
            if let arrival {
                state.settled.began()
                state.settled.finished(arrival)
            }
            state.epochs = epochs
            state.mapVersion = mapVersion
            state.routing = table.digest
        }
    }

    // MARK: - Questions

    /// The answer to an edge. At once; from the event loop of the link that the question came over.
    ///
    /// - Parameter table: as it is now. While the journal has not taken it up, nothing is answered for.
    package func answer(_ question: SyncChanges, table: RoutingTable) -> ChangesSince {
        let routing = table.digest
        return self.state.withLock { state in
            state.questions += 1
            var answer = ChangesSince(
                life: self.life,
                position: state.log.position,
                routing: routing,
                complete: SlotSet(),
                hasForgotten: false,
                changed: []
            )
            guard question.life == self.life else { return answer }
            let changes = state.log.changes(for: question.user, since: question.since)
            answer.hasForgotten = changes.hasForgotten
            answer.changed = changes.changed
            if state.routing == routing { answer.complete = changes.complete }
            if changes.hasForgotten { state.unanswerable += 1 }
            return answer
        }
    }

    // MARK: - Progress of edges

    /// What an edge that got a link is told first. Its link must have been made known to the audiences before.
    package var beginning: DeliveryProgress {
        self.state.withLock {
            DeliveryProgress(kind: .begins, position: $0.log.position, lastChange: $0.log.lastChange)
        }
    }

    /// The last word to an edge; nil while something is under way, or was missed.
    package func ending(for edge: String) -> DeliveryProgress? {
        self.state.withLock { state in
            guard state.settled.settled == state.log.position, !state.gaps.contains(edge),
                let after = Self.takeRelayed(of: edge, &state)
            else { return nil }
            return DeliveryProgress(kind: .ends, position: state.log.position, after: after)
        }
    }

    /// Something for an edge found no room on its link. To be called before the change counts as finished.
    package func missed(by edge: String) {
        self.state.withLock { _ = $0.gaps.insert(edge) }
    }

    /// Something may have changed without a record of it. What came before is answered for no more, so that devices compare,
    /// and the sessions of these edges are told to.
    package func untold(to edges: [String]) {
        self.state.withLock { state in
            state.settled.began()
            state.settled.finished(state.log.changeMissed())
            state.gaps.formUnion(edges)
        }
    }

    /// What to tell an edge next. A gap is told once: whoever cannot tell it calls ``missed(by:)`` again.
    package func takeProgress(of edge: String) -> DeliveryProgress {
        self.state.withLock { state in
            guard state.gaps.remove(edge) == nil, let after = Self.takeRelayed(of: edge, &state) else {
                return DeliveryProgress(kind: .gap, position: state.settled.settled)
            }
            return DeliveryProgress(kind: .reached, position: state.settled.settled, after: after)
        }
    }

    /// No link took what ``takeProgress(of:)`` returned.
    package func untold(_ progress: DeliveryProgress, to edge: String) {
        if progress.kind == .gap { self.missed(by: edge) }
        for reached in progress.after { self.relayed(to: [edge], through: reached) }
    }

    /// Nil when there are more than can be told.
    private static func takeRelayed(of edge: String, _ state: inout State) -> [RelayedThrough]? {
        let relayed = state.relayed.removeValue(forKey: edge) ?? [:]
        guard relayed.count <= DeliveryProgress.relaysMax else { return nil }
        return relayed.map { RelayedThrough(life: $0.key, position: $0.value) }
    }
}

extension RoutingTable {
    /// Stands for the map's version and the epochs of all views: equal where these are equal.
    package var digest: UInt64 {
        let views = self.views.values.sorted { $0.shard < $1.shard }.map { "\($0.shard)=\($0.epoch)" }
        return XXHash64.hash(Array("\(self.map?.version ?? 0);\(views.joined(separator: ";"))".utf8))
    }
}
