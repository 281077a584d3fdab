// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Storage
import Wire

/// What a ``Writer`` does with operations.
extension Writer {
    /// How often an operation is begun again because the view changed under it.
    private static let operationAttemptsMax = 3

    mutating func advance(_ run: Run, _ circumstances: Circumstances, _ turn: inout Turn) {
        guard let deadline = self.deadlines[run.ticket], deadline > circumstances.now else {
            return self.fail(run, .writerTooLate, &turn)
        }
        guard let epoch = self.adoptView(circumstances.ownership) else {
            return self.fail(run, .noView, &turn)
        }
        guard circumstances.ownership.isOwn(run.slot), run.attempts < Self.operationAttemptsMax else {
            self.deadlines[run.ticket] = nil
            turn.effects.append(.moved(run.ticket))
            return
        }
        var run = run
        run.attempts += 1
        self.phase = .operating(run)
        turn.call = .operate(run.ticket, epoch: epoch)
    }

    /// What ``DatabaseCall/operate(_:epoch:)`` asks for.
    package mutating func perform(
        _ operation: WriterOperation,
        on store: any ShardStore,
        epoch: UInt64,
        now: UnixMilliseconds
    ) throws(StorageError) -> OperationOutcome {
        var scope = WriterScope(
            store: store,
            epoch: epoch,
            slot: operation.call.slot,
            now: now,
            sequencer: self.sequencer
        )
        // One owner at a time, so that the conversations are changed in place and not copied.
        self.sequencer = Sequencer(conversationsMax: 0)
        defer { self.sequencer = scope.sequencer }
        return try operation.run(&scope)
    }

    mutating func failed(_ run: Run, _ error: StorageError, _ turn: inout Turn) {
        guard error.code != .staleEpoch else {
            self.phase = .readingView(.operation(run))
            turn.call = .readView
            return
        }
        if error.code == .outcomeUnknown {
            // What the operation was about has changed or not: read it again when it is asked for.
            self.sequencer.forgetAll()
            turn.effects.append(.untold)
        }
        self.fail(run, Failure(error), &turn)
    }

    private mutating func fail(_ run: Run, _ failure: Failure, _ turn: inout Turn) {
        self.deadlines[run.ticket] = nil
        turn.effects.append(.failed(run.ticket, failure))
    }
}
