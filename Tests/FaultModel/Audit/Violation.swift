// SPDX-License-Identifier: Apache-2.0

/// One thing that the contract forbids and that happened.
package struct Violation: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Acknowledged, and not stored.
        case lost
        /// Acknowledged with another number than it is stored under, or with two.
        case wrongNumber = "wrong_number"
        /// Acknowledged while the shard had no replica, although every commit was to wait for it.
        case notReplicated = "not_replicated"
        /// Tried to the end and never acknowledged.
        case unanswered
        /// One client message id stored more than once.
        case storedTwice = "stored_twice"
        /// The numbers of a conversation are not 1, 2, 3 … to the last.
        case sparse
        /// Stored, and sent by nobody.
        case foreign
        /// What is stored or arrived is not what was sent.
        case altered
        /// The index of client message ids and the messages do not say the same.
        case idIndex = "id_index"
        /// A device ended with another list than is stored.
        case listDiffers = "list_differs"
        /// A device's list is not in the order of the numbers.
        case disordered
        /// A device saw two messages under one number.
        case conflicting
        /// A device saw a message under a number that has another one, or none.
        case phantom
        /// A device ended by itself.
        case deviceEnded = "device_ended"
        /// A delivery that arrived after the removal of its user had been acknowledged.
        case deliveredAfterRemoval = "delivered_after_removal"
        /// A delivery of something from before the user's join.
        case deliveredBeforeJoin = "delivered_before_join"
        /// A device that ends with another presence of a user than is so.
        case presenceDiffers = "presence_differs"
        /// A device that was told of the presence of a user whom it may not see.
        case presenceLeaked = "presence_leaked"
        /// A device that was told less of a receipt than it had been before.
        case receiptBackwards = "receipt_backwards"
        /// A receipt beyond the last message.
        case receiptBeyond = "receipt_beyond"
        /// A receipt that a device was told of and that is not stored.
        case receiptLost = "receipt_lost"
        /// A message that arrived without a receipt that is stored.
        case receiptMissing = "receipt_missing"
        /// A device that ends with another receipt than is stored.
        case receiptDiffers = "receipt_differs"
        /// A refusal with a code that a sender of good messages must not see.
        case refusalCode = "refusal_code"
        /// A refusal that does not say how long to wait.
        case refusalWithoutPause = "refusal_without_pause"
        /// A shard's epoch did not grow, or stood for two views.
        case epochOrder = "epoch_order"
        /// Two routers stored in one conversation under one epoch, or one under an epoch that was over, or that was
        /// not its own.
        case epochOverlap = "epoch_overlap"
        case memory
        /// A process that nobody ended ended.
        case nodeEnded = "node_ended"
        case notReady = "not_ready"
        /// A shard's last view leaves out a router.
        case viewIncomplete = "view_incomplete"
        /// Something that needed a person, or more time than it may take.
        case notHealed = "not_healed"
    }

    package var kind: Kind
    package var detail: String
    /// When it happened, where that is known.
    package var at: Microseconds?

    package init(_ kind: Kind, at: Microseconds? = nil, _ detail: String) {
        self.kind = kind
        self.at = at
        self.detail = detail
    }
}

/// What the audit found, and how much it looked at.
package struct AuditResult: Sendable {
    /// Violations of one kind that are kept; all are counted.
    package static let violationsPerKindMax = 20

    package private(set) var violations: [Violation] = []
    package private(set) var countByKind: [Violation.Kind: Int] = [:]
    package var acknowledged = 0
    package var refused = 0
    package var stored = 0
    package var deliveries = 0
    package var lists = 0
    package var removals = 0
    package var sightings = 0
    package var receipts = 0
    package var views = 0
    package var writes = 0

    package init() {}

    package var holds: Bool { self.countByKind.isEmpty }
    package var violationCount: Int { self.countByKind.values.reduce(0, +) }

    package mutating func note(_ violation: Violation) {
        let count = self.countByKind[violation.kind, default: 0] + 1
        self.countByKind[violation.kind] = count
        if count <= Self.violationsPerKindMax { self.violations.append(violation) }
    }
}
