// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Synchronization
import TransportSecurity
import Wire

// MARK: - Making links

extension MeshNode {
    var diallerShell: Dialler.Shell {
        Dialler.Shell(
            settings: self.settings,
            handshake: { self.handshake($0) },
            refused: { self.refused($0, byPeer: $1) },
            failed: { self.dialFailed($0, $1) },
            link: { self.link(control: $0, bulk: $1, $2) }
        )
    }

    private func handshake(_ side: Handshake.Side) -> Handshake {
        var configuration = Handshake.Configuration(
            identity: self.identity,
            cluster: self.settings.cluster,
            secret: self.settings.secret,
            versions: MeshVersion.oldest...self.settings.versionMax,
            creditItems: self.settings.creditItems,
            creditBytes: self.settings.creditBytes
        )
        configuration.requiresCertificate = self.settings.certificates != nil
        // The system's generator is the cryptographic one.
        let nonce = (0..<HelloFrame.nonceBytes).map { _ in UInt8.random(in: 0...UInt8.max) }
        return Handshake(configuration: configuration, side: side, nonce: nonce)
    }

    /// A connection that somebody made to this node.
    func accept(_ channel: any Channel) throws {
        guard self.unlinked.add(1, ordering: .relaxed).newValue <= self.settings.unauthenticatedConnectionsMax else {
            self.unlinked.subtract(1, ordering: .relaxed)
            self.counters.update { $0.connectionsRefused += 1 }
            self.log("Too many connections in the handshake; closed one", [:])
            channel.close(promise: nil)
            return
        }
        let reports = LaneHandler.Reports(
            established: { self.accepted($0, $1) },
            settled: { _ in self.unlinked.subtract(1, ordering: .relaxed) },
            refused: { self.refused($0, byPeer: $1) }
        )
        do {
            try self.settings.certificates?.secureAccepted(channel)
        } catch {
            self.unlinked.subtract(1, ordering: .relaxed)
            throw error
        }
        try channel.pipeline.syncOperations.addHandler(
            LaneHandler(handshake: self.handshake(.acceptor), settings: self.settings, reports: reports)
        )
    }

    /// An accepted lane: half of a link.
    private func accepted(_ lane: Lane, _ session: LaneSession) {
        let addition = self.state.withLock { state -> HalfLinks.Addition? in
            state.isShuttingDown ? nil : state.halves.add(lane, session)
        }
        switch addition {
        case .waits:
            lane.channel.closeFuture.whenComplete { _ in self.state.withLock { $0.halves.remove(lane, session) } }
        case .complete(let control, let bulk):
            // The credit is the same on both lanes.
            _ = self.link(control: control, bulk: bulk, session)
        case .duplicate:
            lane.perform { $0.refuse(Refusal(.malformed, "\(session.peer.name) dialled one lane of a link twice")) }
        case nil:
            lane.perform { $0.refuse(Refusal(.shuttingDown, "\(self.identity.name) is stopping")) }
        }
    }

    /// Makes a link of two lanes, in place of an older link to the same peer. Nil when the older one is of a later life
    /// of the peer, or this node is stopping; the lanes are then told so and closed.
    private func link(control: Lane, bulk: Lane, _ session: LaneSession) -> Link? {
        let link = Link(
            control: control,
            bulk: bulk,
            session: session,
            settings: self.settings,
            delegate: self.delegate,
            counters: self.counters,
            logger: self.logger,
            reports: Link.Reports(
                publish: { self.publish($0) },
                unpublish: { self.unpublish($0) },
                failed: { self.protocolError($0, $1) }
            )
        )
        let name = session.peer.name
        let result = self.state.withLock { state -> Result<Link?, Refusal> in
            if state.isShuttingDown { return .failure(Refusal(.shuttingDown, "\(self.identity.name) is stopping")) }
            let older = state.links[name]
            if let older, older.peer.incarnation > session.peer.incarnation {
                let message = "\(name) is linked in a later life, \(older.peer.incarnation)"
                return .failure(Refusal(.staleIncarnation, message))
            }
            state.links[name] = link
            return .success(older)
        }
        switch result {
        case .success(let older):
            older?.down(reason: "replaced by a newer link")
            link.start(after: older?.downFuture)
            return link
        case .failure(let refusal):
            control.perform { $0.refuse(refusal) }
            bulk.perform { $0.refuse(refusal) }
            link.down(reason: refusal.message)
            link.start(after: nil)
            return nil
        }
    }

    private func publish(_ link: Link) -> Bool {
        self.state.withLock { state in
            guard !state.isShuttingDown, state.links[link.peer.name] === link else { return false }
            state.published[link.peer.name] = link
            return true
        }
    }

    private func unpublish(_ link: Link) {
        let name = link.peer.name
        self.state.withLock { state in
            if state.published[name] === link { state.published[name] = nil }
            if state.links[name] === link { state.links[name] = nil }
        }
    }
}
