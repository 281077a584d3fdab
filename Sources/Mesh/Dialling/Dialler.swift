// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import Synchronization
import TransportSecurity

/// Keeps a link to one peer: dials, waits, dials again.
///
///     idle --> dialling control --> dialling bulk --> linked
///                    |                   |              |
///                    +-------------------+--> waiting <-+      stopped, from anywhere
///
/// The bulk lane is dialled when the control lane has been accepted, so a refusal costs one connection. The wait grows
/// with every failure, a refusal included; a link that lasted starts it anew.
final class Dialler: Sendable {
    /// What dialling needs of its node.
    struct Shell: Sendable {
        var settings: MeshSettings
        var handshake: @Sendable (Handshake.Side) -> Handshake
        var refused: @Sendable (Refusal, _ byPeer: Bool) -> Void
        var failed: @Sendable (MeshPeer, any Error) -> Void
        /// Makes a link of two lanes; nil when the node does not want it.
        var link: @Sendable (_ control: Lane, _ bulk: Lane, LaneSession) -> Link?
    }

    private struct Attempt {
        /// The same on both lanes, and what tells this attempt from others.
        var linkID: UInt64
        var control: Lane?
    }

    private enum Phase {
        case idle
        case dialling(Attempt)
        case linked(Link, since: NIODeadline)
        case waiting
        case stopped
    }

    private struct State {
        var phase = Phase.idle
        var backoff: Backoff
        var channels: [any Channel] = []
    }

    let peer: MeshPeer
    private let eventLoop: any EventLoop
    private let shell: Shell
    private let state: Mutex<State>

    init(peer: MeshPeer, eventLoop: any EventLoop, shell: Shell) {
        self.peer = peer
        self.eventLoop = eventLoop
        self.shell = shell
        let settings = shell.settings
        self.state = Mutex(
            State(backoff: Backoff(delayMin: settings.reconnectDelayMin, delayMax: settings.reconnectDelayMax))
        )
    }

    /// Dials unless it does already. From any thread.
    func start() {
        let linkID = UInt64.random(in: 1...UInt64.max)
        let isDialling = self.state.withLock { state in
            switch state.phase {
            case .idle, .waiting:
                state.phase = .dialling(Attempt(linkID: linkID, control: nil))
                return true
            case .dialling, .linked, .stopped: return false
            }
        }
        if isDialling { self.dial(.control, linkID: linkID) }
    }

    /// Dials no more and closes what is not linked yet; the link itself is left to the caller. From any thread.
    func stop() {
        let (phase, channels) = self.state.withLock { state in
            defer {
                state.phase = .stopped
                state.channels = []
            }
            return (state.phase, state.channels)
        }
        switch phase {
        case .dialling: for channel in channels { channel.close(promise: nil) }
        // The timer finds the dialler stopped.
        case .idle, .linked, .waiting, .stopped: break
        }
    }

    // MARK: - Attempts

    private func dial(_ lane: LaneKind, linkID: UInt64) {
        let (shell, peer) = (self.shell, self.peer)
        let side = Handshake.Side.dialler(
            peerName: self.peer.name,
            peerRole: self.peer.role,
            lane: lane,
            linkID: linkID
        )
        let reports = LaneHandler.Reports(
            established: { self.established($0, $1) },
            settled: { isAttached in
                if !isAttached { self.attemptFailed(linkID) }
            },
            refused: shell.refused
        )
        ClientBootstrap(group: self.eventLoop)
            .connectTimeout(shell.settings.connectTimeout)
            .meshOptions()
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try shell.settings.certificates?.secureDialled(channel)
                    try channel.pipeline.syncOperations.addHandler(
                        LaneHandler(
                            handshake: shell.handshake(side),
                            settings: shell.settings,
                            reports: reports,
                            dialled: peer
                        )
                    )
                }
            }
            .connect(host: self.peer.host, port: self.peer.port)
            .whenComplete { result in
                switch result {
                case .success(let channel): self.connected(channel, linkID: linkID)
                case .failure(let error):
                    shell.failed(self.peer, error)
                    self.attemptFailed(linkID)
                }
            }
    }

    private func connected(_ channel: any Channel, linkID: UInt64) {
        let isWanted = self.state.withLock { state in
            guard case .dialling(let attempt) = state.phase, attempt.linkID == linkID else {
                // The handshake of the last lane may be over before this is heard of.
                if case .linked = state.phase { return true }
                return false
            }
            state.channels.append(channel)
            return true
        }
        if !isWanted { channel.close(promise: nil) }
    }

    private func established(_ lane: Lane, _ session: LaneSession) {
        let (isExpected, control) = self.state.withLock { state -> (Bool, Lane?) in
            guard case .dialling(var attempt) = state.phase, attempt.linkID == session.linkID else {
                return (false, nil)
            }
            if let control = attempt.control { return (true, control) }
            attempt.control = lane
            state.phase = .dialling(attempt)
            return (true, nil)
        }
        guard isExpected else { return lane.channel.close(promise: nil) }
        guard let control else { return self.dial(.bulk, linkID: session.linkID) }
        guard let link = self.shell.link(control, lane, session) else { return self.attemptFailed(session.linkID) }
        self.linked(link, linkID: session.linkID)
    }

    private func linked(_ link: Link, linkID: UInt64) {
        let isWanted = self.state.withLock { state in
            guard case .dialling(let attempt) = state.phase, attempt.linkID == linkID else { return false }
            state.phase = .linked(link, since: .now())
            state.channels = []
            return true
        }
        guard isWanted else { return link.down(reason: "not dialled any more") }
        link.downFuture.whenComplete { _ in self.linkEnded(link) }
    }

    private func linkEnded(_ link: Link) {
        self.wait { state in
            guard case .linked(let current, let since) = state.phase, current === link else { return false }
            if NIODeadline.now() - since > self.shell.settings.silenceLimit { state.backoff.reset() }
            return true
        }
    }

    private func attemptFailed(_ linkID: UInt64) {
        self.wait { state in
            guard case .dialling(let attempt) = state.phase, attempt.linkID == linkID else { return false }
            return true
        }
    }

    /// Dials again later, if the condition holds.
    private func wait(if condition: (inout State) -> Bool) {
        let next = self.state.withLock { state -> (delay: TimeAmount, channels: [any Channel])? in
            guard condition(&state) else { return nil }
            state.phase = .waiting
            defer { state.channels = [] }
            return (state.backoff.next(random: .random(in: 0...1)), state.channels)
        }
        guard let next else { return }
        for channel in next.channels { channel.close(promise: nil) }
        self.eventLoop.scheduleTask(in: next.delay) { self.start() }
    }
}

extension ClientBootstrap {
    /// What both ends of a lane set on their sockets.
    fileprivate func meshOptions() -> ClientBootstrap {
        self.channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: LaneOptions.writeBufferWaterMark)
    }
}

enum LaneOptions {
    /// Draining stops when this much waits for the socket, and goes on when little is left.
    static let writeBufferWaterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 64 * 1024, high: 512 * 1024)
}
