// SPDX-License-Identifier: Apache-2.0

import Directory
import Logging
import Mesh
import Messaging
import NIOCore
import NIOPosix
import Placement
import Storage
import Synchronization
import Wire

/// Carries out a ``PresenceBoard``. May be used from any thread.
///
/// The board has a thread of its own: some of its events touch every user of an edge, and neither the links nor the
/// deliveries, which share the event loops of the mesh, may wait for that.
final class PresenceKeeper: Sendable {
    static let tickInterval = TimeAmount.milliseconds(50)
    /// How long a write of times may wait; a lost one is no loss.
    static let writeTimeout = TimeAmount.seconds(10)

    private let routing: RoutingState
    private let shards: ShardRoster
    private let notify: @Sendable (NotificationKind, ByteBuffer, String) -> SendOutcome
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let loop: any EventLoop
    private let state: NIOLoopBoundBox<State>
    private let counts = Mutex(PresenceBoard.Counts())

    /// A reference, so that the board is changed in place.
    private final class State {
        var board = PresenceBoard()
        var ticks: RepeatedTask?
    }

    /// - Parameter notify: puts an ephemeral notification on the link to an edge.
    init(
        routing: RoutingState,
        shards: ShardRoster,
        logger: Logger,
        notify: @escaping @Sendable (NotificationKind, ByteBuffer, String) -> SendOutcome
    ) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        self.routing = routing
        self.shards = shards
        self.notify = notify
        self.logger = logger
        self.group = group
        self.loop = loop
        self.state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: loop)
    }

    var currentCounts: PresenceBoard.Counts { self.counts.withLock { $0 } }

    // MARK: - Life

    func start() {
        self.loop.execute {
            guard self.state.value.ticks == nil else { return }
            self.state.value.ticks = self.loop.scheduleRepeatedTask(
                initialDelay: Self.tickInterval,
                delay: Self.tickInterval
            ) { _ in self.tick() }
        }
    }

    func shutdown() async {
        self.loop.execute {
            self.state.value.ticks?.cancel()
            self.state.value.ticks = nil
        }
        do {
            try await self.group.shutdownGracefully()
        } catch {
            self.logger.warning("the presence thread did not end", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: - Events

    func linkUp(_ life: EdgeLife) {
        self.change { $0.linkUp(life, now: $1) }
    }

    func linkDown(_ life: EdgeLife) {
        self.change { $0.linkDown(life, now: $1) }
    }

    func routingChanged() {
        let routing = self.routing
        self.change { board, now in
            // A slot that is handed from shard to shard stays with its router, though nobody takes writes to it for a
            // moment: edges would have no reason to tell again what was forgotten.
            board.slotsChanged(Set(routing.snapshot.slots(of: routing.own).slots), now: now)
        }
    }

    /// A request that changes what a user has chosen was answered. In the order of the commits of a user.
    func answered(_ request: ByteBuffer, _ status: ResponseStatus, _ answer: ByteBuffer) {
        guard status == .ok, let request = try? SetPresence(decoding: request),
            let answer = try? PresenceProfileBody(decoding: answer)
        else { return }
        self.change { board, _ in board.profileChanged(request.user, answer.value) }
    }

    /// A notification of an edge about presence.
    func received(_ kind: NotificationKind, _ payload: ByteBuffer, from peer: PeerIdentity) throws(FieldError) {
        guard peer.role == .edge else { return }
        let life = EdgeLife(edge: peer.name, incarnation: peer.incarnation)
        switch kind {
        case .presenceReport:
            let report = try PresenceReport(decoding: payload)
            self.change { $0.reported(life, report, now: $1) }
        case .presenceDigest:
            let digest = try PresenceDigest(decoding: payload)
            self.change { board, _ in board.digest(life, digest) }
        default:
            self.change { board, _ in board.statesWanted(life) }
        }
    }

    private func change(_ body: @escaping @Sendable (inout PresenceBoard, PresenceBoard.Moment) -> Void) {
        self.loop.execute { body(&self.state.value.board, Self.now()) }
    }

    private static func now() -> PresenceBoard.Moment {
        PresenceBoard.Moment(
            monotonic: NIODeadline.now().uptimeNanoseconds / 1_000_000,
            wall: WallClock.now()
        )
    }

    // MARK: - Actions

    private func tick() {
        let actions = self.state.value.board.tick(now: Self.now())
        var full: Set<String> = []
        for action in actions {
            switch action {
            case .tell(let life, let states):
                if full.contains(life.edge) || !self.notify(.presenceStates, states.encoded(), life.edge).isQueued {
                    full.insert(life.edge)
                    self.state.value.board.notTold(life, states)
                }
            case .ask(let life, let wanted):
                _ = self.notify(.presenceWanted, wanted.encoded(), life.edge)
            case .load(let users):
                self.load(users)
            case .writeLastSeen(let times):
                self.write(times)
            }
        }
        let counts = self.state.value.board.counts
        self.counts.withLock { $0 = counts }
    }

    private func load(_ users: [UserID]) {
        let byShard = Dictionary(grouping: users) { self.routing.ownShard(of: Slot(of: $0.value)) }
        for (shard, users) in byShard {
            guard let shard, let services = self.shards[shard] else {
                self.state.value.board.loadFailed(users, now: Self.now())
                continue
            }
            services.readers.read { (session) throws(StorageError) in
                try session.presenceProfiles(users)
            } completion: { result in
                self.change { board, now in
                    switch result {
                    case .success(let profiles): board.loaded(profiles, of: users)
                    case .failure: board.loadFailed(users, now: now)
                    }
                }
            }
        }
    }

    /// One operation for each writer, under the fence of its shard. What belongs to another router by then is left out.
    private func write(_ times: [PresenceBoard.LastSeen]) {
        let routing = self.routing
        for (shard, times) in Dictionary(grouping: times, by: { routing.ownShard(of: Slot(of: $0.user.value)) }) {
            guard let shard, let services = self.shards[shard] else { continue }
            for (_, times) in Dictionary(grouping: times, by: { services.writerIndex(of: Slot(of: $0.user.value)) }) {
                let slot = Slot(of: times[0].user.value)
                let call = Call(
                    kind: .setPresence,
                    slot: slot,
                    deadline: .now() + Self.writeTimeout,
                    payload: ByteBuffer()
                ) { _, _ in }
                services.writer(of: slot).perform(
                    WriterOperation(call) { (scope) throws(StorageError) in
                        let ownership = routing.ownership(in: shard)
                        let own = times.filter { ownership.isOwn(Slot(of: $0.user.value)) }
                        try scope.store.writeLastSeen(own.map { ($0.user, $0.at) }, epoch: scope.epoch)
                        return OperationOutcome(.ok(Empty()))
                    }
                )
            }
        }
    }
}
