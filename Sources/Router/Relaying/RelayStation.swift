// SPDX-License-Identifier: Apache-2.0

import Directory
import Mesh
import Messaging
import NIOCore
import Synchronization
import Wire

/// Passes on to edges what other routers have for them. May be used from any thread.
///
/// What is passed on takes a position of this router's own ``ChangeJournal``, so that an edge whose link is lost on the way
/// knows that something may have been lost, as it does with this router's own messages. The owner is told the position
/// and tells the edges, see ``DeliveryProgress/after``.
package final class RelayStation: Sendable {
    /// Where it puts things.
    package struct Links: Sendable {
        /// A notification to an edge; returns whether its link took it.
        package var deliver: @Sendable (_ payload: ByteBuffer, _ edge: String) -> Bool
        /// What this router reaches, to one that has a link, or to all.
        package var tell: @Sendable (_ reach: RelayReach, _ router: String?) -> Void

        package init(
            deliver: @escaping @Sendable (_ payload: ByteBuffer, _ edge: String) -> Bool,
            tell: @escaping @Sendable (_ reach: RelayReach, _ router: String?) -> Void
        ) {
            self.deliver = deliver
            self.tell = tell
        }
    }

    private struct State {
        /// Edges that said over their present link that they understand what is passed on. An edge that spoke knows of the
        /// link, so what it loses of it counts as lost there.
        var edges: [String: Incarnation] = [:]
        var isClosed = false
        var passedOn: UInt64 = 0
    }

    private let journal: ChangeJournal
    private let links: Links
    private let state = Mutex(State())
    private let task = Mutex<RepeatedTask?>(nil)

    package init(journal: ChangeJournal, links: Links) {
        self.journal = journal
        self.links = links
    }

    /// For metrics: notifications that were passed on.
    var passedOn: UInt64 { self.state.withLock { $0.passedOn } }

    /// Nil when it passes nothing on any more: then nothing of it was. Two requests of one router have to come one after the
    /// other, as they do from the event loop of its link.
    package func passOn(_ relay: Relay, of router: PeerIdentity) -> RelayAnswer? {
        // The position is taken before anything is sent, so that a link that is lost in between is known to have had it; and
        // before the router can be closed, so that what was begun counts when the edges are told of its end.
        let begun = self.state.withLock { $0.isClosed ? nil : ($0.edges, self.journal.beganRelaying()) }
        guard let (edges, position) = begun else { return nil }
        var untaken: Set<String> = []
        var passedOn: UInt64 = 0
        for item in relay.items {
            for target in item.targets where !untaken.contains(target.edge) {
                guard edges[target.edge] != nil, Self.isPassedOn(item.kind),
                    self.links.deliver(Self.payload(item, target, of: router.name, router.incarnation), target.edge)
                else {
                    untaken.insert(target.edge)
                    continue
                }
                passedOn += 1
            }
        }
        self.journal.finished([position.position])
        self.state.withLock { $0.passedOn += passedOn }
        return RelayAnswer(reached: position, untaken: untaken.sorted())
    }

    private static func isPassedOn(_ kind: UInt16) -> Bool {
        kind == NotificationKind.deliver.rawValue || kind == NotificationKind.audience.rawValue
    }

    /// The whole notification to one edge; what stands in it is not read.
    package static func payload(
        _ item: Relay.Item,
        _ target: Relay.Target,
        of router: String,
        _ life: Incarnation
    ) -> ByteBuffer {
        var payload = item.body
        var rest = target.rest
        payload.writeBuffer(&rest)
        return Relayed(router: router, life: life, kind: item.kind, payload: payload).encoded()
    }

    // MARK: - Reach

    /// How often everything is told again: a router that was refused something, or heard nothing, asks this one no more
    /// until then.
    private static let tellInterval = TimeAmount.seconds(10)

    package func start(on loop: any EventLoop) {
        let task = loop.scheduleRepeatedTask(initialDelay: Self.tellInterval, delay: Self.tellInterval) { _ in
            self.tellEverything(to: nil)
        }
        self.task.withLock { $0 = task }
    }

    /// An edge announced something over its link.
    func announced(_ edge: EdgeLife, takesRelayed: Bool) {
        let isNew = self.state.withLock { state in
            guard takesRelayed, state.edges[edge.edge] != edge.incarnation else { return false }
            state.edges[edge.edge] = edge.incarnation
            return !state.isClosed
        }
        if isNew { self.links.tell(RelayReach(isWhole: false, came: [edge.edge]), nil) }
    }

    func linkDown(_ edge: EdgeLife) {
        let isGone = self.state.withLock { state in
            guard state.edges[edge.edge] == edge.incarnation else { return false }
            state.edges[edge.edge] = nil
            return !state.isClosed
        }
        if isGone { self.links.tell(RelayReach(isWhole: false, came: [], gone: [edge.edge]), nil) }
    }

    /// A router that has a new link is told everything.
    func linkUp(router: String) {
        self.tellEverything(to: router)
    }

    private func tellEverything(to router: String?) {
        let edges = self.state.withLock { $0.isClosed ? [] : $0.edges.keys.sorted() }
        for start in stride(from: 0, to: max(edges.count, 1), by: RelayReach.edgesMax) {
            let part = edges[start..<min(start + RelayReach.edgesMax, edges.count)]
            self.links.tell(RelayReach(isWhole: start == 0, came: Array(part)), router)
        }
    }

    /// From now on it passes nothing on; whoever asks sends to the edges itself.
    func close() {
        self.state.withLock { $0.isClosed = true }
        self.task.withLock { $0 }?.cancel()
        self.links.tell(RelayReach(isWhole: true, came: []), nil)
    }
}
