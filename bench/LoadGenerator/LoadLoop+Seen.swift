// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import TrunklineClient

/// What was found out about a message whose bytes come again and again, in the number that a frame has room for: 0 for
/// nothing yet, -1 for a message that is not as it was sent.
struct FrameNote {
    private static let messageBits = 33

    let value: Int

    init(message: Int, sender: Int) {
        self.value = (sender << Self.messageBits) | (message + 1)
    }

    /// - Parameter value: Above 0.
    init(_ value: Int) {
        self.value = value
    }

    var message: Int { self.value & ((1 << Self.messageBits) - 1) - 1 }
    /// The device that sent it.
    var sender: Int { self.value >> Self.messageBits }
}

/// Deliveries that came at about the same time, to be measured together: a process with thousands of devices gets a
/// message many times in one moment.
struct DeliveryTally {
    /// Nanoseconds. So much later than they were latencies may be told, never earlier.
    static let window: Int64 = 1_000_000

    var frames: [SeenFrames.Frame] = []
    var first: Int64 = 0
    var last: Int64 = 0
}

/// Measuring deliveries.
extension LoadLoop {
    func measureDelivery(of number: Int, at elapsed: Int64, count: Int = 1) {
        let planned = self.plan.time(of: number)
        self.deliveryTimes.note(at: elapsed)
        self.series.delivered(at: elapsed, planned: planned, count: count)
        let latency = elapsed - planned
        self.recentDeliveries.record(nanoseconds: latency, count: count)
        if let current = self.currentStretch(at: elapsed) { self.stretches[current].delivered += count }
        guard self.plan.isMeasured(number) else { return }
        let stretch = self.plan.schedule.stretch(of: number)
        self.stretches[stretch].deliveryLatency.record(nanoseconds: latency, count: count)
    }

    /// Messages whose bytes another session was brought before. What was found out then holds for every receiver.
    func receivedSeen(_ first: SeenFrames.Frame, _ count: Int, _ device: Int) {
        let elapsed = self.elapsed
        if elapsed - self.tally.first > DeliveryTally.window {
            self.measureTally()
            self.tally.first = elapsed
        }
        self.tally.last = elapsed
        let soleIndex = self.soleIndex[device]
        var delivered = 0
        var (frame, rest) = (Optional(first), count)
        while rest > 0, let current = frame {
            (frame, rest) = (current.next, rest - 1)
            if current.note == 0 { current.note = self.note(of: current.message) }
            guard current.note > 0 else {
                self.receivedMessage(current.message, .live, device)
                continue
            }
            let note = FrameNote(current.note)
            let number = note.message
            guard let index = soleIndex >= 0 ? soleIndex : self.auditIndex(of: number, device) else {
                self.receivedMessage(current.message, .live, device)
                continue
            }
            self.audit.saw(index, seq: current.message.seq, message: UInt32(number))
            guard note.sender != device else { continue }
            delivered += 1
            if current.tally == 0 { self.tally.frames.append(current) }
            current.tally += 1
        }
        self.counts.deliveredLive += delivered
    }

    /// To be called before anything that was measured is looked at.
    func measureTally() {
        for frame in self.tally.frames {
            self.measureDelivery(of: FrameNote(frame.note).message, at: self.tally.last, count: frame.tally)
            frame.tally = 0
        }
        self.tally.frames.removeAll(keepingCapacity: true)
    }

    private func auditIndex(of message: Int, _ device: Int) -> Int? {
        self.audit.index(of: LiveAudit.Place(device: device, conversation: self.plan.conversation(of: message)))
    }

    private func note(of message: DeliveredMessage) -> Int {
        guard let number = self.shared.identity.message(of: message.clientMessageID, in: self.plan),
            self.shared.population.conversationNumbers[message.conversationID] == self.plan.conversation(of: number),
            message.body == self.shared.bodies.body(of: number)
        else { return -1 }
        return FrameNote(message: number, sender: self.plan.device(of: number)).value
    }
}
