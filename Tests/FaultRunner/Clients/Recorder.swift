// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import Synchronization

/// Where all clients write down what they see. Any thread may write; nothing here waits for anything.
final class Recorder: Sendable {
    private struct State {
        var sends: [SentMessage] = []
        /// Where in ``sends`` a message is.
        var places: [ClientMessageID: Int] = [:]
        /// By sender: its message without an acknowledgement, and when it began its last acknowledged one.
        var pending: [Int: Int] = [:]
        var lastAcknowledged: [Int: Microseconds] = [:]
        var devices: [DeviceRecord]
        var heads: [UInt64]
        var changes: [MembershipChange] = []
        /// Which of the devices have been there once.
        var connected: Set<Int> = []
    }

    private let state: Mutex<State>

    init(_ population: Population) {
        self.state = Mutex(
            State(
                devices: population.devices.map {
                    DeviceRecord(number: $0.number, user: $0.user, behaviour: $0.behaviour)
                },
                heads: population.conversations.map { _ in 0 }
            )
        )
    }

    // MARK: - Sending

    func began(_ sender: Population.Sender, _ id: ClientMessageID) {
        let now = RunClock.now()
        self.state.withLock { state in
            state.places[id] = state.sends.count
            state.pending[sender.number] = state.sends.count
            state.sends.append(
                SentMessage(
                    sender: sender.number,
                    user: sender.user,
                    conversation: sender.conversation,
                    id: id,
                    firstSentAt: now
                )
            )
        }
    }

    func refused(_ id: ClientMessageID, code: String, retryAfterMilliseconds: UInt32?) {
        let refusal = Refusal(code: code, retryAfterMilliseconds: retryAfterMilliseconds, at: RunClock.now())
        self.state.withLock { state in
            if let place = state.places[id] { state.sends[place].refusals.append(refusal) }
        }
    }

    /// Returns whether it is the first acknowledgement of a message of the sender.
    func acknowledged(_ id: ClientMessageID, seq: UInt64) -> Bool {
        let now = RunClock.now()
        return self.state.withLock { state in
            guard let place = state.places[id] else { return false }
            state.sends[place].acknowledgements.append(Acknowledgement(seq: seq, at: now))
            guard state.sends[place].acknowledgements.count == 1 else { return false }
            let message = state.sends[place]
            state.heads[message.conversation] = max(state.heads[message.conversation], seq)
            state.pending[message.sender] = nil
            state.lastAcknowledged[message.sender] = message.firstSentAt
            return true
        }
    }

    // MARK: - Receiving

    /// The device has a session, and shows nobody until it is told.
    func connected(_ device: Int) {
        let now = RunClock.now()
        self.state.withLock { state in
            state.connected.insert(device)
            state.devices[device].presence = [:]
            state.devices[device].connections.append(Wait(from: now, until: .max))
        }
    }

    func disconnected(_ device: Int) {
        let now = RunClock.now()
        self.state.withLock { state in
            guard let last = state.devices[device].connections.last, last.until == .max else { return }
            state.devices[device].connections[state.devices[device].connections.count - 1].until = now
        }
    }

    func ended(_ device: Int, _ reason: String) {
        self.state.withLock { $0.devices[device].ending = $0.devices[device].ending ?? reason }
    }

    func delivered(_ device: Int, _ delivery: Delivery) {
        self.state.withLock { $0.devices[device].deliveries.append(delivery) }
    }

    /// What a person sees next.
    func showed(_ device: Int, _ conversation: Int, _ shown: DeviceRecord.Shown) {
        self.state.withLock { $0.devices[device].lists[conversation, default: []].append(shown) }
    }

    // MARK: - Presence and receipts

    func saw(_ device: Int, _ sighting: PresenceSighting) {
        self.state.withLock { state in
            state.devices[device].sightings.append(sighting)
            state.devices[device].presence[sighting.user] = sighting
        }
    }

    /// - Parameter known: what it has to cover.
    func told(_ device: Int, _ key: ReceiptKey, _ watermarks: Watermarks, known: Watermarks = .zero) {
        let now = RunClock.now()
        self.state.withLock {
            $0.devices[device].receipts[key, default: ReceiptView()].told(watermarks, known: known, at: now)
        }
    }

    /// What a device has been told of the receipts of members.
    func receipts(of device: Int) -> [ReceiptKey: Watermarks] {
        self.state.withLock { $0.devices[device].receipts.mapValues(\.watermarks) }
    }

    func isAway(_ device: Int) {
        self.state.withLock { $0.devices[device].isAway = true }
    }

    // MARK: - Membership

    func changed(_ change: MembershipChange) {
        self.state.withLock { $0.changes.append(change) }
    }

    // MARK: - Progress

    var connectedCount: Int { self.state.withLock { $0.connected.count } }
    var acknowledgedCount: Int { self.state.withLock { $0.places.count - $0.pending.count } }
    /// By conversation, the largest number that was acknowledged.
    var heads: [UInt64] { self.state.withLock { $0.heads } }
    var hasPending: Bool { self.state.withLock { !$0.pending.isEmpty } }

    /// The first sender that has not got an acknowledgement for something it began after a time; nil when all have.
    ///
    /// - Parameter quiet: Senders that begin nothing by themselves; of those only what is under way counts.
    func stuckSender(since time: Microseconds, senders: Int, quiet: Set<Int>) -> String? {
        self.state.withLock { state in
            for sender in 0..<senders {
                if quiet.contains(sender) {
                    guard let place = state.pending[sender], state.sends[place].firstSentAt <= time else { continue }
                    return "sender \(sender) waits for an acknowledgement"
                }
                if (state.lastAcknowledged[sender] ?? -1) > time { continue }
                let refusal = state.pending[sender].flatMap { state.sends[$0].refusals.last?.code } ?? "nothing"
                return "sender \(sender) makes no progress (last told: \(refusal))"
            }
            return nil
        }
    }

    /// The first device that lacks something that was acknowledged; nil when none does.
    ///
    /// - Parameters:
    ///   - heads: By conversation, up to where.
    ///   - followed: By device, the conversations that it has to have.
    func lateDevice(_ heads: [UInt64], followed: [Int: [Int]]) -> String? {
        self.state.withLock { state in
            for (device, conversations) in followed.sorted(by: { $0.key < $1.key }) {
                for conversation in conversations {
                    let position = state.devices[device].lists[conversation]?.last?.seq ?? 0
                    if position < heads[conversation] {
                        return """
                            device \(device) (\(state.devices[device].behaviour.rawValue)) has conversation \
                            \(conversation) up to \(position), acknowledged is \(heads[conversation])
                            """
                    }
                }
            }
            return nil
        }
    }

    /// Everything, when the run has ended.
    func fill(_ record: inout RunRecord) {
        self.state.withLock { state in
            record.sends = state.sends
            record.devices = state.devices
            record.membershipChanges = state.changes
        }
    }

    /// Refusals that were told after a time, by code.
    func refusals(since time: Microseconds) -> [String: Int] {
        self.state.withLock { state in
            var codes: [String: Int] = [:]
            for message in state.sends {
                for refusal in message.refusals where refusal.at >= time { codes[refusal.code, default: 0] += 1 }
            }
            return codes
        }
    }
}
