// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// What comes: answers to own messages, and messages of others.
extension LoadLoop {
    func receivedAcknowledgement(_ sent: MessageSent, _ attempts: Int) {
        guard let conversation = self.shared.population.conversationNumbers[sent.conversationID] else { return }
        guard let message = self.shared.identity.message(of: sent.clientMessageID, in: self.plan) else {
            self.audit.acknowledged(conversation, seq: sent.seq, message: ConversationLedger.foreign)
            return
        }
        self.audit.acknowledged(conversation, seq: sent.seq, message: UInt32(message))
        if attempts == 0 { self.takeBackFailure(of: message) }
        self.counts.acknowledged += 1
        if sent.isDuplicate { self.counts.acknowledgedAsDuplicate += 1 }
        let (elapsed, planned) = (self.elapsed, self.plan.time(of: message))
        self.stays.acknowledged(sent.seq, in: conversation, due: planned)
        self.acknowledgementTimes.note(at: elapsed)
        self.series.acknowledged(at: elapsed, planned: planned)
        if let current = self.currentStretch(at: elapsed) { self.stretches[current].acknowledged += 1 }
        let latency = elapsed - planned
        self.recentAcknowledgements.record(nanoseconds: latency)
        guard self.plan.isMeasured(message) else { return }
        self.stretches[self.plan.schedule.stretch(of: message)].acknowledgementLatency.record(nanoseconds: latency)
    }

    func receivedMessage(_ message: DeliveredMessage, _ arrival: ArrivedMessage.Arrival, _ device: Int) {
        guard let conversation = self.shared.population.conversationNumbers[message.conversationID] else { return }
        guard let index = self.audit.index(of: LiveAudit.Place(device: device, conversation: conversation)) else {
            return self.receivedByGuest(message, conversation, device)
        }
        guard let number = self.shared.identity.message(of: message.clientMessageID, in: self.plan) else {
            self.audit.saw(index, seq: message.seq, message: ConversationLedger.foreign)
            return
        }
        self.audit.saw(index, seq: message.seq, message: UInt32(number))
        guard arrival != .own else { return }
        if message.body != self.shared.bodies.body(of: number) { self.audit.sawAltered(index, seq: message.seq) }
        guard self.plan.device(of: number) != device else { return }
        if arrival == .live { self.counts.deliveredLive += 1 } else { self.counts.deliveredByCatchUp += 1 }
        self.measureDelivery(of: number, at: self.elapsed)
    }

    /// The last stretch, when this is in its measured time.
    func currentStretch(at elapsed: Int64) -> Int? {
        guard let stretch = self.plan.schedule.last, elapsed >= stretch.measuredFrom, elapsed < stretch.end else {
            return nil
        }
        return self.stretches.count - 1
    }
}
