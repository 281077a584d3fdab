// SPDX-License-Identifier: Apache-2.0

/// Judges what a device is handed over whose user comes into a conversation and goes out of it again and again. Pure.
///
///     outside ──willEnter──▶ entering ──entered──▶ inside ──willLeave──▶ leaving ──left──▶ outside …
///
/// When the cluster carries a change out is not known exactly, so only what is certain is judged:
///
/// - What was acknowledged before it was asked to come in is from before the join.
/// - Messages that were due after it was told to be in were sent to a member: they all come, once and in order, and it is
///   not asked to go before it has what was acknowledged by then.
/// - Messages that were due after it was told to be out were sent to somebody who is no member.
///
/// Times are nanoseconds after the start of the sending; a message is never sent before it is due.
package struct GuestAudit: Sendable {
    package enum Phase: Sendable, Equatable {
        case outside
        case entering
        case inside
        case leaving
    }

    package enum Finding: Sendable, Equatable {
        case irregular(DeviceProgress.Irregularity)
        /// Acknowledged before the join was asked for.
        case beforeJoin
        /// Sent after the removal was acknowledged.
        case afterRemoval
    }

    package private(set) var phase = Phase.outside
    /// When it was certainly out; the least number before the first stay.
    private var leftAt: Int64 = .min
    /// The largest number that was acknowledged before the present, or last, stay was asked for, and the one before it.
    private var headBefore: UInt64 = 0
    private var headBeforePrevious: UInt64 = 0
    /// The first message of the present stay, and how far it has come since.
    private var first: UInt64?
    private var progress = DeviceProgress()
    /// Messages that it was handed over in all stays.
    package private(set) var delivered = 0

    package init() {}

    // MARK: - Coming and going

    /// - Parameter head: The largest number that was acknowledged so far.
    package mutating func willEnter(head: UInt64) {
        self.phase = .entering
        self.headBeforePrevious = self.headBefore
        self.headBefore = head
        self.first = nil
    }

    package mutating func entered() {
        self.phase = .inside
    }

    package mutating func willLeave() {
        self.phase = .leaving
    }

    package mutating func left(at time: Int64) {
        self.phase = .outside
        self.leftAt = time
    }

    // MARK: - Messages

    /// A message was handed over to the device. Returns what is not as it has to be.
    ///
    /// - Parameter due: When the plan has it.
    package mutating func saw(_ seq: UInt64, due: Int64) -> Finding? {
        self.delivered += 1
        guard self.phase != .outside else { return due > self.leftAt ? .afterRemoval : nil }
        guard seq > self.headBefore else {
            // What was under way at the end of the stay before may still arrive.
            return due <= self.leftAt && seq > self.headBeforePrevious ? nil : .beforeJoin
        }
        if self.first == nil {
            self.first = seq
            self.progress = DeviceProgress(after: seq - 1)
        }
        return self.progress.take(seq).map { .irregular($0) }
    }

    /// Whether it has all that it is certain to get.
    ///
    /// - Parameters:
    ///   - head: The largest number that was acknowledged.
    ///   - firstCertain: The smallest number that was acknowledged of messages that were due when it was certainly in.
    package func hasReached(_ head: UInt64, firstCertain: UInt64?) -> Bool {
        guard self.phase == .inside, let firstCertain, firstCertain <= head else { return true }
        guard let first = self.first, first <= firstCertain else { return false }
        return self.progress.position >= head && self.progress.missing.isEmpty
    }
}

extension Violation {
    /// What the audit says of a finding.
    package init(_ finding: GuestAudit.Finding, seq: UInt64, conversation: Int, user: Int) {
        switch finding {
        case .irregular(let irregularity):
            self.init(irregularity, conversation: conversation, user: user)
        case .beforeJoin:
            let detail = "handed over, having been acknowledged before the join was asked for"
            self.init(.beforeJoin, conversation: conversation, seq: seq, user: user, detail)
        case .afterRemoval:
            let detail = "handed over, having been sent after the removal was acknowledged"
            self.init(.afterRemoval, conversation: conversation, seq: seq, user: user, detail)
        }
    }
}
