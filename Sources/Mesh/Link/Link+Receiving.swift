// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization
import Wire

// MARK: - Called by the bulk lane, on the event loop

extension Link {
    func takeBatch() -> Outbox<Completion>.Batch {
        let batch = self.state.withLock { $0.outbox.takeBatch(now: .now()) }
        for completion in batch.expired { self.expired(completion, isSent: false) }
        return batch
    }

    func dispatched(_ dispatch: Dispatch) {
        self.counters.update { counters in
            counters.blocksSent += dispatch.blocks
            counters.blocksSentCompressed += dispatch.blocksCompressed
            counters.blocksSentBelowThreshold += dispatch.blocksBelowThreshold
            counters.blocksSentNotSmaller += dispatch.blocksNotSmaller
            counters.framesSent += dispatch.frames
            counters.bytesRawSent += dispatch.rawBytes
            counters.bytesStoredSent += dispatch.storedBytes
            counters.requestsSent += dispatch.requests
            counters.responsesSent += dispatch.responses
            for kind in dispatch.notificationKinds {
                counters.notificationsSentByKind[min(Int(kind), MeshLimits.countedKinds - 1)] += 1
            }
        }
    }

    /// - Returns: whether something was handed to the delegate or to the caller of a request.
    func received(_ frame: Frame, _ receipt: inout Receipt) -> Bool {
        switch frame {
        case .request(let request):
            receipt.requests += 1
            receipt.requestBytes += frame.encodedBytes
            self.handOver(request, creditBytes: frame.encodedBytes)
            return true
        case .notification(let notification):
            receipt.notifications += 1
            receipt.notificationBytes += frame.encodedBytes
            guard self.isUp else { return false }
            self.delegate.meshNotification(kind: notification.kind, payload: notification.payload, from: self.peer)
            return true
        case .response(let response):
            receipt.responses += 1
            guard let completion = self.state.withLock({ $0.outbox.responseReceived(id: response.id) }) else {
                receipt.lateResponses += 1
                return false
            }
            self.complete(completion, with: response)
            return true
        case .credit(let credit):
            guard let startDrain = self.state.withLock({ $0.outbox.creditReceived(credit) }) else {
                self.fail(WireError(.malformedFrame, "credit for more than was used"))
                return false
            }
            if startDrain { self.startDrain() }
            return false
        case .goodbye(let goodbye):
            self.down(reason: "goodbye: \(goodbye.reason)")
            return false
        case .refused(let refused):
            self.down(reason: "refused by the peer: \(refused.message)")
            return false
        case .hello, .proof, .welcome, .heartbeat, .heartbeatAck:
            self.fail(WireError(.malformedFrame, "\(frame.name) on the bulk lane"))
            return false
        }
    }

    /// A block was handed over completely.
    func settle(_ receipt: Receipt) {
        let items = receipt.requests + receipt.notifications
        if items > 0 {
            let result = self.state.withLock {
                $0.outbox.used(
                    items: items,
                    bytes: receipt.requestBytes + receipt.notificationBytes,
                    releasedItems: receipt.notifications,
                    releasedBytes: receipt.notificationBytes
                )
            }
            if let startDrain = result {
                if startDrain { self.startDrain() }
            } else {
                self.fail(WireError(.tooLarge, "more requests and notifications than there was credit for"))
            }
        }
        self.counters.update {
            $0.blocksReceived += 1
            $0.framesReceived += receipt.frames
            $0.bytesRawReceived += receipt.rawBytes
            $0.bytesStoredReceived += receipt.storedBytes
            $0.requestsReceived += receipt.requests
            $0.responsesReceived += receipt.responses
            $0.lateResponses += receipt.lateResponses
            $0.notificationsReceived += receipt.notifications
        }
    }

    func readComplete() {
        guard self.isUp else { return }
        self.delegate.meshReadComplete(from: self.peer)
    }

    func expire(now: NIODeadline) {
        for request in self.state.withLock({ $0.outbox.expire(now: now) }) {
            self.expired(request.completion, isSent: request.isSent)
        }
    }

    private var isUp: Bool {
        self.state.withLock { state in
            if case .up = state.phase { true } else { false }
        }
    }

    private func handOver(_ request: RequestFrame, creditBytes: Int) {
        guard self.isUp else { return }
        let id = request.id
        let inbound = InboundRequest(
            peer: self.peer,
            kind: request.kind,
            slot: request.slot,
            epoch: request.epoch,
            deadline: .now() + .milliseconds(Int64(request.deadlineMilliseconds)),
            payload: request.payload
        ) { status, payload in
            self.respond(ResponseFrame(id: id, status: status, payload: payload), creditBytes: creditBytes)
        }
        self.delegate.meshRequest(inbound)
    }

    private func complete(_ completion: Completion, with response: ResponseFrame) {
        self.counters.requestsPending.subtract(1, ordering: .relaxed)
        guard response.status < InboundRequest.reservedStatusMin else {
            let message = "\(self.peer.name) has no answer, or could not queue it"
            completion(.failure(MeshError(.answerLost, mayHaveArrived: true, message)))
            return
        }
        completion(.success(MeshResponse(status: response.status, payload: response.payload)))
    }

    private func expired(_ completion: Completion, isSent: Bool) {
        self.counters.requestsPending.subtract(1, ordering: .relaxed)
        self.counters.update { $0.requestsExpired += 1 }
        let message = "no answer from \(self.peer.name) in time"
        completion(.failure(MeshError(.deadlineExceeded, mayHaveArrived: isSent, message)))
    }

    /// What came over one of the lanes is not of the protocol. From any thread.
    func fail(_ error: WireError) {
        self.reports.failed(self.peer, error)
        self.down(reason: "protocol error: \(error)")
    }
}
