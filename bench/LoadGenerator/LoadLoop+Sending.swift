// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Sending what is due, whatever the answers do.
extension LoadLoop {
    /// Between two looks at the plan, at least: messages that are due together are sent together.
    static let tick = TimeAmount.microseconds(500)
    /// Messages of one look, so that answers get their turn when the sending is late.
    static let messagesPerTickMax = 500

    /// From this moment on times are counted; nothing is sent before ``add(_:)``.
    ///
    /// - Parameters:
    ///   - stormAt: When all connections are cut, in nanoseconds after the start; nil for never.
    ///   - returnAt: The same for those that are away at first.
    func start(at time: NIODeadline, stormAt: Int64?, returnAt: Int64?) {
        self.startedAt = time
        self.hasStarted = true
        if let returnAt { self.leave(until: time + .nanoseconds(returnAt)) }
        guard let stormAt else { return }
        self.eventLoop.assumeIsolated().scheduleTask(deadline: time + .nanoseconds(stormAt)) { self.cutAll() }
    }

    /// More to send. Returns false when the plan has no room for it.
    func add(_ stretch: SendSchedule.Stretch) -> Bool {
        guard self.plan.append(stretch) else { return false }
        self.stretches.append(StretchOutcome())
        self.scheduleSending(.now())
        return true
    }

    var hasSentAll: Bool { self.nextMessage == self.plan.count }
    var unansweredCount: Int { self.sessions.values.reduce(0) { $0 + $1.unansweredCount } }

    /// - Parameter earliest: Not before, even when something is due.
    private func scheduleSending(_ earliest: NIODeadline) {
        guard !self.isSendScheduled, self.nextMessage < self.plan.count else { return }
        self.isSendScheduled = true
        let next = self.startedAt + .nanoseconds(self.plan.time(of: self.nextMessage))
        self.eventLoop.assumeIsolated().scheduleTask(deadline: max(earliest, next)) {
            self.isSendScheduled = false
            self.sendDue()
        }
    }

    private func sendDue() {
        guard !self.isClosing else { return }
        let now = NIODeadline.now()
        let elapsed = (now - self.startedAt).nanoseconds
        let due = self.plan.dueCount(at: elapsed)
        var sent = 0
        while self.nextMessage < due, sent < Self.messagesPerTickMax {
            let message = self.nextMessage
            self.nextMessage += 1
            let device = self.plan.device(of: message)
            guard self.plan.topology.loop(of: device) == self.number else { continue }
            sent += 1
            self.send(message, from: device, elapsed: elapsed)
        }
        self.scheduleSending(sent == Self.messagesPerTickMax ? now : now + Self.tick)
    }

    private func send(_ message: Int, from device: Int, elapsed: Int64) {
        let time = self.plan.time(of: message)
        let conversation = self.plan.conversation(of: message)
        self.counts.offered += 1
        self.series.offered(deliveries: self.plan.topology.receivers[conversation], at: time)
        self.lastSendLateness = elapsed - time
        if self.plan.isMeasured(message) {
            let stretch = self.plan.schedule.stretch(of: message)
            self.stretches[stretch].offered += 1
            self.stretches[stretch].lateness.record(nanoseconds: elapsed - time)
        }
        let request = SendMessageRequest(
            conversationID: self.shared.population.conversations[conversation],
            clientMessageID: self.shared.identity.id(of: message, at: time),
            kind: .text,
            body: self.shared.bodies.body(of: message)
        )
        if self.sessions[device]?.send(request) == true {
            self.counts.sent += 1
            self.series.sent(at: elapsed)
        } else {
            let hasEnded = self.sessions[device]?.hasEnded ?? true
            self.fail(message, hasEnded ? "session_ended" : "backlog_full")
        }
    }

    func fail(_ message: Int, _ code: String) {
        if self.failures[UInt32(message)] == nil { self.stretches[self.plan.schedule.stretch(of: message)].failed += 1 }
        self.failures[UInt32(message)] = code
        self.series.failed(at: self.elapsed)
    }

    /// It was given up, and the answer came after all.
    func takeBackFailure(of message: Int) {
        guard self.failures[UInt32(message)] != nil else { return }
        self.failures[UInt32(message)] = nil
        self.stretches[self.plan.schedule.stretch(of: message)].failed -= 1
    }
}
