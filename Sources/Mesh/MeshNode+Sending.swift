// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

// MARK: - Sending

extension MeshNode {
    /// Sends a request. `completion` is called exactly once, on the event loop of the link, or on one of the group's
    /// when there is no link; never within this call.
    ///
    /// - Parameters:
    ///   - kind: means something to the receiver only, as `slot` and `epoch`.
    ///   - payload: at most ``MeshLimits/payloadBytesMax`` bytes.
    ///   - deadline: when the answer is not waited for any more; looked at every
    ///     ``MeshLimits/deadlineScanInterval``.
    package func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to node: String,
        deadline: NIODeadline,
        completion: @escaping @Sendable (Result<MeshResponse, MeshError>) -> Void
    ) {
        let link: Link
        do throws(MeshError) {
            link = try self.linkForSending(to: node, payloadBytes: payload.readableBytes)
        } catch {
            self.group.any().execute { completion(.failure(error)) }
            return
        }
        link.request(
            kind: kind,
            slot: slot,
            epoch: epoch,
            payload: payload,
            deadline: deadline,
            completion: completion
        )
    }

    /// As ``request(kind:slot:epoch:payload:to:deadline:completion:)``. Not cancelled with its task: the deadline ends
    /// it.
    package func request(
        kind: UInt16,
        slot: UInt16,
        epoch: UInt64,
        payload: ByteBuffer,
        to node: String,
        deadline: NIODeadline
    ) async throws(MeshError) -> MeshResponse {
        let result = await withCheckedContinuation { continuation in
            self.request(
                kind: kind,
                slot: slot,
                epoch: epoch,
                payload: payload,
                to: node,
                deadline: deadline
            ) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// Sends a notification; there is no answer. Notifications and requests to one node arrive in the order in which
    /// they were sent by one thread, as long as the link stays up.
    ///
    /// - Parameter payload: at most ``MeshLimits/payloadBytesMax`` bytes.
    @discardableResult
    package func notify(
        kind: UInt16,
        payload: ByteBuffer,
        to node: String,
        class trafficClass: TrafficClass
    ) -> SendOutcome {
        guard payload.readableBytes <= MeshLimits.payloadBytesMax else { return .tooLarge }
        guard let link = self.link(to: node) else {
            self.counters.update { $0.droppedNotConnected += 1 }
            return .notConnected
        }
        return link.notify(kind: kind, payload: payload, class: trafficClass)
    }

    func link(to name: String) -> Link? {
        self.state.withLock { $0.published[name] }
    }

    private func linkForSending(to name: String, payloadBytes: Int) throws(MeshError) -> Link {
        guard payloadBytes <= MeshLimits.payloadBytesMax else {
            throw MeshError(
                .tooLarge,
                mayHaveArrived: false,
                "a payload of \(payloadBytes) bytes, the bound is \(MeshLimits.payloadBytesMax)"
            )
        }
        let (link, isShuttingDown) = self.state.withLock { ($0.published[name], $0.isShuttingDown) }
        if let link, !isShuttingDown { return link }
        throw isShuttingDown
            ? MeshError(.shuttingDown, mayHaveArrived: false, "\(self.identity.name) is shutting down")
            : MeshError(.notConnected, mayHaveArrived: false, "there is no link to \(name)")
    }
}
