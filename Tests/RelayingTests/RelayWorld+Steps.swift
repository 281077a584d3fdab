// SPDX-License-Identifier: Apache-2.0

import Edge
import Mesh
import Messaging
import NIOCore
import NIOEmbedded
import Placement
import Synchronization
import Wire

@testable import Router

extension RelayWorld {
    /// What brings an edge one step further.
    private typealias Taken = (owner: String, unknown: [ConversationID])

    /// The first frames of a link arrive.
    func carry(_ router: String, _ edge: String, atMost count: Int) throws {
        let unknown = try self.state.withLock { state -> [Taken] in
            guard let node = state.nodes[router], let link = node.links[edge], link.isUpAtEdge else { return [] }
            let frames = link.frames.prefix(count)
            state.nodes[router]?.links[edge]?.frames.removeFirst(frames.count)
            let life = RouterLife(name: router, incarnation: node.incarnation.description)
            let head = UInt64(state.positions.count)
            return try frames.compactMap {
                try state.edges[edge]?.take($0, from: life, incarnation: node.incarnation, head: head)
            }
        }
        for (owner, conversations) in unknown where owner == Self.owner {
            try self.dispatcher.forget(SessionUnknown(users: [], conversations: conversations))
        }
        self.loop.run()
    }

    /// A router takes up the first request, and the owner hears its answer later.
    func passOn(_ relay: String) {
        let next = self.state.withLock { state -> (Node, Relay, @Sendable (RelayOutcome) -> Void)? in
            guard let node = state.nodes[relay], let first = node.asked.first else { return nil }
            state.nodes[relay]?.asked.removeFirst()
            return (node, first.relay, first.completion)
        }
        guard let (node, request, completion) = next else { return }
        let owner = PeerIdentity(name: Self.owner, incarnation: Incarnation(value: 1), role: .router)
        let outcome = node.station?.passOn(request, of: owner).map { RelayOutcome.passedOn($0) } ?? .refused
        self.state.withLock { $0.nodes[relay]?.answers.append((outcome, completion)) }
    }

    func answer(_ relay: String) {
        let answer = self.state.withLock { state -> (RelayOutcome, @Sendable (RelayOutcome) -> Void)? in
            guard let first = state.nodes[relay]?.answers.first else { return nil }
            state.nodes[relay]?.answers.removeFirst()
            return first
        }
        guard let (outcome, completion) = answer else { return }
        completion(outcome)
        self.loop.run()
    }

    /// A message is stored: its record comes before anything is sent, as in a router.
    func send(members: MemberList) throws {
        let message = self.state.withLock { state in
            Message(
                conversation: Self.conversation,
                seq: UInt64(state.positions.count) + 1,
                sender: UserID(value: 1),
                senderDevice: DeviceID(value: 1),
                clientMessageID: ClientMessageID(value: UInt128(state.positions.count)),
                kind: .text,
                body: "hello",
                createdAt: 1_800_000_000_000
            )
        }
        let parcel = Parcel(conversation: Self.conversation, content: .message(message), members: members)
        let recorded = self.state.withLock { state in
            let recorded = state.nodes[Self.owner]?.journal.record([parcel]) ?? []
            state.positions += recorded.map(\.position)
            return recorded
        }
        try self.dispatcher.deliver(recorded)
        self.loop.run()
    }

    /// A user comes to an edge: registry, announcement, then the synchronization.
    func attach(_ user: UserID, to edge: String) throws {
        let life = self.state.withLock { state in
            let life = state.edges[edge]?.life
            if let life { state.sessions[user] = [life] }
            return life
        }
        guard life != nil else { return }
        try self.announce(Attachment(attached: [user], detached: [], isRegistered: true), of: edge)
        self.state.withLock { $0.edges[edge]?.users[user] = UInt64($0.positions.count) }
    }

    func detach(_ user: UserID, from edge: String) throws {
        self.state.withLock { state in
            state.sessions[user] = nil
            state.edges[edge]?.users[user] = nil
            state.edges[edge]?.received[user] = nil
        }
        try self.announce(Attachment(attached: [], detached: [user], isRegistered: true), of: edge)
    }

    private func announce(_ attachment: Attachment, of edge: String) throws {
        let isLinked = self.state.withLock { state in
            state.nodes[Self.owner]?.links[edge].map { $0.isUpAtEdge && $0.isUpAtRouter } ?? false
        }
        // Otherwise the registry tells it, which is asked when the link is up again.
        guard isLinked else { return }
        try self.dispatcher.attachmentChanged(edge: edge, attachment)
        self.loop.run()
    }

    /// Routers tell the edges how far they have come.
    func tellProgress() {
        let nodes = self.state.withLock { $0.nodes }
        for (name, node) in nodes {
            for edge in self.edgeNames where node.links[edge]?.isUpAtRouter == true {
                let progress = node.journal.takeProgress(of: edge)
                let frame = ModelFrame(kind: .deliveryProgress, payload: progress.encoded())
                if !self.put(frame, from: name, to: edge) { node.journal.untold(progress, to: edge) }
            }
        }
    }

    /// Everything that is under way arrives.
    func settle() throws {
        for _ in 0..<4 {
            for relay in self.relays {
                while self.state.withLock({ $0.nodes[relay]?.asked.isEmpty == false }) { self.passOn(relay) }
                while self.state.withLock({ $0.nodes[relay]?.answers.isEmpty == false }) { self.answer(relay) }
            }
            self.tellProgress()
            for router in [Self.owner] + self.relays {
                for edge in self.edgeNames { try self.carry(router, edge, atMost: .max) }
            }
        }
    }
}
