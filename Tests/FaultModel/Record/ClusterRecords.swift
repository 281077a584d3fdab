// SPDX-License-Identifier: Apache-2.0

/// What a shard's database wrote down about itself, through triggers that the runner put there.
package struct ShardRecord: Sendable {
    package var name: String
    /// Every view that was ever committed, in the order in which it was.
    package var views: [ViewChange] = []
    /// Every statement that stored messages, one entry for each conversation, in the order of commit within it.
    package var writes: [WriteTrace] = []
    /// When it surely had no replica although every commit was to wait for one.
    package var unreplicated: [Wait] = []
    /// What is stored twice or points nowhere, as the database itself found it.
    package var anomalies: [String] = []

    package init(name: String) {
        self.name = name
    }
}

package struct ViewChange: Sendable, Equatable {
    package var epoch: UInt64
    package var routers: [String]
    package var changedBy: String

    package init(epoch: UInt64, routers: [String], changedBy: String = "") {
        self.epoch = epoch
        self.routers = routers
        self.changedBy = changedBy
    }
}

/// Messages that one router stored in one conversation with one statement, and the epoch that was in force in the same
/// transaction.
package struct WriteTrace: Sendable, Equatable {
    package var conversation: Int
    package var epoch: UInt64
    package var router: String
    package var firstSeq: UInt64
    package var lastSeq: UInt64

    package init(conversation: Int, epoch: UInt64, router: String, firstSeq: UInt64, lastSeq: UInt64) {
        self.conversation = conversation
        self.epoch = epoch
        self.router = router
        self.firstSeq = firstSeq
        self.lastSeq = lastSeq
    }
}

package struct NodeRecord: Sendable {
    package var name: String
    package var isRouter: Bool
    /// The largest resident set that was seen, in bytes, and in which life.
    package var residentBytesMax: UInt64 = 0
    /// Ends of the process that nobody caused: exit status and time.
    package var unexpectedEnds: [UnexpectedEnd] = []
    /// Why it was not ready when the run had ended; nil when it was.
    package var unreadyAtEnd: String?

    package struct UnexpectedEnd: Sendable, Equatable {
        package var status: Int32
        package var at: Microseconds

        package init(status: Int32, at: Microseconds) {
            self.status = status
            self.at = at
        }
    }

    package init(name: String, isRouter: Bool) {
        self.name = name
        self.isRouter = isRouter
    }
}

/// One fault as it was done.
package struct Injection: Sendable, Equatable {
    package var kind: FaultKind
    /// The number of its step; another fault with the same one was at work at the same time.
    package var step: Int
    /// What it was done to, for people.
    package var target: String
    package var beganAt: Microseconds
    /// When it was undone.
    package var undoneAt: Microseconds
    /// When everything went on again; nil when the limit passed first.
    package var healedAt: Microseconds?
    /// What had not healed when the limit passed.
    package var remaining: String?

    package init(
        kind: FaultKind,
        step: Int,
        target: String,
        beganAt: Microseconds,
        undoneAt: Microseconds,
        healedAt: Microseconds?,
        remaining: String? = nil
    ) {
        self.kind = kind
        self.step = step
        self.target = target
        self.beganAt = beganAt
        self.undoneAt = undoneAt
        self.healedAt = healedAt
        self.remaining = remaining
    }
}
