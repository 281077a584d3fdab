// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a node's mesh has done since the start. Updated once per batch, not per frame.
package final class MeshCounters: Sendable {
    /// One consistent reading. All counts are totals since the start, except those named otherwise.
    package struct Snapshot: Sendable, Equatable {
        package var blocksSent = 0
        package var blocksSentCompressed = 0
        /// Plain, because they have fewer bytes than the threshold.
        package var blocksSentBelowThreshold = 0
        /// Plain, because LZ4 did not save enough.
        package var blocksSentNotSmaller = 0
        package var framesSent = 0
        /// Bytes of frames before compression.
        package var bytesRawSent = 0
        /// Bytes of payload after compression, without block headers.
        package var bytesStoredSent = 0
        package var blocksReceived = 0
        package var framesReceived = 0
        package var bytesRawReceived = 0
        package var bytesStoredReceived = 0

        package var requestsSent = 0
        package var requestsReceived = 0
        package var responsesSent = 0
        package var responsesReceived = 0
        package var notificationsReceived = 0
        /// Indexed by kind; the last place counts all kinds from ``MeshLimits/countedKinds`` - 1 on.
        package var notificationsSentByKind = [Int](repeating: 0, count: MeshLimits.countedKinds)

        /// Ephemeral notifications dropped because the queue was over half of its bound.
        package var droppedEphemeral = 0
        /// Requests and durable notifications refused because a queue or table was at its bound.
        package var refusedOverloaded = 0
        /// Notifications that were queued or not, with no link to carry them.
        package var droppedNotConnected = 0
        /// Answers whose link was gone or whose queue was full.
        package var droppedResponses = 0
        /// Responses to requests that were not waited for any more.
        package var lateResponses = 0
        package var requestsExpired = 0

        package var linkUps = 0
        package var linkDowns = 0
        package var dialsFailed = 0
        /// Accepted connections closed at once because too many were in the handshake.
        package var connectionsRefused = 0
        /// Handshakes that this node refused, by reason.
        package var refusals: [Refusal.Code: Int] = [:]
        /// Handshakes in which this node was refused, by reason.
        package var refusalsByPeers: [Refusal.Code: Int] = [:]
        /// Connections ended because of what came over them.
        package var protocolErrors = 0

        /// Requests without an answer at this moment, over all links.
        package var requestsPending = 0
        /// Links that are up at this moment.
        package var linksUp = 0

        /// Plain, because compression is off.
        package var blocksSentWithoutCompression: Int {
            self.blocksSent - self.blocksSentCompressed - self.blocksSentBelowThreshold - self.blocksSentNotSmaller
        }
        package var notificationsSent: Int { self.notificationsSentByKind.reduce(0, +) }
        /// Stored by raw bytes of what was sent; 1 when nothing was.
        package var compressionRatio: Double {
            self.bytesRawSent == 0 ? 1 : Double(self.bytesStoredSent) / Double(self.bytesRawSent)
        }
    }

    private let values = Mutex(Snapshot())
    /// Changes with every request, so it is kept outside the lock.
    let requestsPending = Atomic(0)

    package init() {}

    package func snapshot() -> Snapshot {
        var snapshot = self.values.withLock { $0 }
        snapshot.requestsPending = self.requestsPending.load(ordering: .relaxed)
        return snapshot
    }

    func update(_ change: (inout Snapshot) -> Void) {
        self.values.withLock { change(&$0) }
    }
}
