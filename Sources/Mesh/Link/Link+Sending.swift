// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Wire

// MARK: - Sending, from any thread

extension Link {
    func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        deadline: NIODeadline,
        completion: @escaping Completion
    ) {
        let result = self.state.withLock { state in
            state.outbox.enqueueRequest(
                kind: kind,
                slot: slot,
                epoch: epoch,
                payload: payload,
                deadline: deadline,
                completion: completion
            )
        }
        switch result {
        case .queued(let startDrain):
            self.counters.requestsPending.add(1, ordering: .relaxed)
            if startDrain { self.startDrain() }
        case .overloaded:
            self.counters.update { $0.refusedOverloaded += 1 }
            let error = MeshError(.overloaded, mayHaveArrived: false, "the link to \(self.peer.name) is full")
            self.eventLoop.execute { completion(.failure(error)) }
        case .closed:
            let error = MeshError(.notConnected, mayHaveArrived: false, "the link to \(self.peer.name) ended")
            self.eventLoop.execute { completion(.failure(error)) }
        }
    }

    func notify(kind: UInt16, payload: ByteBuffer, class trafficClass: TrafficClass) -> SendOutcome {
        let result = self.state.withLock {
            $0.outbox.enqueueNotification(kind: kind, payload: payload, class: trafficClass)
        }
        switch result {
        case .queued(let startDrain):
            if startDrain { self.startDrain() }
            return .queued
        case .overloaded:
            switch trafficClass {
            case .durable:
                self.counters.update { $0.refusedOverloaded += 1 }
                return .overloaded
            case .ephemeral:
                self.counters.update { $0.droppedEphemeral += 1 }
                return .dropped
            }
        case .closed:
            self.counters.update { $0.droppedNotConnected += 1 }
            return .notConnected
        }
    }

    /// The answer to a request that took so much credit.
    func respond(_ response: ResponseFrame, creditBytes: Int) {
        let result = self.state.withLock { $0.outbox.enqueueResponse(response, creditBytes: creditBytes) }
        switch result {
        case .queued(let startDrain):
            if startDrain { self.startDrain() }
        case .lost(let startDrain):
            self.counters.update { $0.droppedResponses += 1 }
            if startDrain { self.startDrain() }
        case .closed:
            self.counters.update { $0.droppedResponses += 1 }
        }
    }

    func startDrain() {
        // Never at once, not even on the event loop: what else is being sent in this turn joins the same block.
        let bulk = self.bulk
        self.eventLoop.execute { bulk.perform { $0.drain(self) } }
    }
}
