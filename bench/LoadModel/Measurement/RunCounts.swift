// SPDX-License-Identifier: Apache-2.0

/// What was counted while it ran.
package struct RunCounts: Sendable, Codable, Equatable {
    /// Messages whose time came.
    package var offered = 0
    /// Messages that a session took.
    package var sent = 0
    /// Messages with `message_sent`, each once.
    package var acknowledged = 0
    /// Of those, the ones whose answer said `duplicate`: an earlier attempt had been stored.
    package var acknowledgedAsDuplicate = 0
    /// Messages that the session gave up, and those that it did not take, by code.
    package var failed: [String: Int] = [:]
    /// Messages of others that were handed over: at each receiver once.
    package var deliveredLive = 0
    package var deliveredByCatchUp = 0
    /// Acknowledged messages times receivers.
    package var expectedDeliveries = 0
    /// Messages that are stored though they were never acknowledged.
    package var storedWithoutAcknowledgement = 0

    package init() {}

    package var delivered: Int { self.deliveredLive + self.deliveredByCatchUp }
    package var failedInAll: Int { self.failed.values.reduce(0, +) }

    package static func += (left: inout Self, right: Self) {
        left.offered += right.offered
        left.sent += right.sent
        left.acknowledged += right.acknowledged
        left.acknowledgedAsDuplicate += right.acknowledgedAsDuplicate
        left.failed.merge(right.failed, uniquingKeysWith: +)
        left.deliveredLive += right.deliveredLive
        left.deliveredByCatchUp += right.deliveredByCatchUp
        left.expectedDeliveries += right.expectedDeliveries
        left.storedWithoutAcknowledgement += right.storedWithoutAcknowledgement
    }

    private enum CodingKeys: String, CodingKey {
        case offered
        case sent
        case acknowledged
        case acknowledgedAsDuplicate = "acknowledged_as_duplicate"
        case failed = "failed_by_code"
        case deliveredLive = "delivered_live"
        case deliveredByCatchUp = "delivered_by_catch_up"
        case expectedDeliveries = "expected_deliveries"
        case storedWithoutAcknowledgement = "stored_without_acknowledgement"
    }
}
