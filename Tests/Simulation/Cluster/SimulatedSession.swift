// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Edge
import Messaging
import NIOCore
import Wire

/// A session of an edge. What it knows about being up to date goes as in the product's session: live events are left out
/// until a sync is asked for, go through the ``SyncMachine`` while it runs, and are looked at by their number for a while
/// after it.
final class SimulatedSession {
    struct Run {
        var number: UInt64
        var command: UInt64
        var request: SyncRequest
        var token: ResumeToken?
        var machine: SyncMachine
        /// Of the edge when it began.
        var losses: UInt64
    }

    enum State {
        case awaited
        case running(Run)
        case settling(floors: [ConversationID: UInt64], positions: [Incarnation: UInt64], notBefore: NIODeadline)
        case live
    }

    let id: SessionID
    let device: SimulatedDevice
    let link: SimulatedLink
    var isOpen = false
    var isClosed = false
    var submits: SubmitPipeline?
    var state = State.awaited
    /// Everything came since a sync, which left nothing out.
    var isCurrent = false
    private(set) var runs: UInt64 = 0
    /// What the machine holds, by what stands in its frames.
    private var held: [UInt64: () -> Void] = [:]

    init(id: SessionID, device: SimulatedDevice, link: SimulatedLink) {
        self.id = id
        self.device = device
        self.link = link
    }

    var isRunning: Bool { if case .running = self.state { true } else { false } }
    var isAwaited: Bool { if case .awaited = self.state { true } else { false } }

    func nextRun() -> UInt64 {
        self.runs += 1
        self.held = [:]
        return self.runs
    }

    /// Changes the machine of a run that is still under way.
    func drive(_ number: UInt64, _ event: (inout SyncMachine) -> [SyncMachine.Action]) -> [SyncMachine.Action] {
        guard !self.isClosed, case .running(var run) = self.state, run.number == number else { return [] }
        let actions = event(&run.machine)
        self.state = .running(run)
        return actions
    }

    /// A live event for the session; `write` sends it.
    func offer(_ conversation: ConversationID, seq: UInt64, isReceipts: Bool = false, _ write: @escaping () -> Void) {
        switch self.state {
        case .awaited:
            break
        case .running(var run):
            let key = UInt64(self.held.count)
            let live = SyncMachine.Live(
                conversation: conversation,
                seq: seq,
                isReceipts: isReceipts,
                frame: ByteBuffer(integer: key)
            )
            let verdict = run.machine.offer(live)
            self.state = .running(run)
            if verdict == .write { write() } else { self.held[key] = write }
        case .settling(let floors, _, _):
            if seq == 0 || seq > floors[conversation] ?? 0 { write() }
        case .live:
            write()
        }
    }

    func release(_ frame: ByteBuffer) {
        guard let key = frame.getInteger(at: frame.readerIndex, as: UInt64.self) else { return }
        self.held[key]?()
    }
}
