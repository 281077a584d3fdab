// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging
internal import NIOCore
internal import Wire

/// What a session knows about being up to date; only sessions of clients that use `sync` have one. Confined to the
/// session's event loop.
///
///     awaited ──sync──▶ running ──finished──▶ settling ──▶ live
///        ▲                 │ failed                         │
///        └──── resync ─────┴────────────────────────────────┘
///
/// - **awaited**: live events are left out, since the sync that comes is told of them.
/// - **running**: the ``SyncMachine`` holds them or lets them through.
/// - **settling**: what was sent before the routers' answers may still be on its way; it is left out by its number until
///   everything up to the positions of the answers has come.
final class SessionSync {
    /// How long a client may take to send `sync` before live events come again, with another `resync`.
    static let patience = TimeAmount.seconds(30)
    /// What a router stored but had not recorded when it was asked comes at most this much later. Should it come later
    /// than that, the client sees a number that it has.
    static let settlingTime = TimeAmount.seconds(2)

    /// What came of a question of a sync.
    struct Answer: Sendable {
        /// The sync that it belongs to.
        var run: UInt64
        var content: Content

        enum Content: Sendable {
            case changes(Result<[ChangesSince], Failure>)
            case comparison(Result<RouterClient.Comparison, Failure>)
            case page(ConversationID, SyncMachine.Page)
            /// Nil when they could not be read.
            case receipts([ConversationID], [ConversationReceipts]?)
        }
    }

    struct Run {
        var number: UInt64
        var id: CommandID
        var owner: Session.Owner
        var request: SyncRequest
        var token: ResumeToken?
        var machine: SyncMachine
        /// Of the edge when it began.
        var losses: UInt64
    }

    enum State {
        case awaited(until: NIODeadline)
        /// Indirect, because a run is large, and rare beside the sessions that have none.
        indirect case running(Run)
        case settling(floors: [ConversationID: UInt64], positions: [Incarnation: UInt64], notBefore: NIODeadline)
        case live
    }

    var state: State
    /// Everything came since a sync, which left nothing out: a resume token may be given.
    var isCurrent = false
    /// The parts of a request so far, as one.
    var parts = SyncRequest(cursors: [:])
    /// The last part of a request came before the session was open.
    var early: CommandID?
    private var runs: UInt64 = 0

    init() {
        self.state = .awaited(until: .distantFuture)
    }

    /// Whether live events have to be looked at one by one.
    var looksAtEvents: Bool {
        if case .live = self.state { false } else { true }
    }

    var isAwaited: Bool {
        if case .awaited = self.state { true } else { false }
    }

    var isRunning: Bool {
        if case .running = self.state { true } else { false }
    }

    func await(until deadline: NIODeadline) {
        self.state = .awaited(until: deadline)
        self.isCurrent = false
    }

    func nextRun() -> UInt64 {
        self.runs += 1
        return self.runs
    }
}

@available(*, unavailable)
extension SessionSync: Sendable {}
