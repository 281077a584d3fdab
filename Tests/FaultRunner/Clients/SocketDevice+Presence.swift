// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Messaging
import TestSupport

/// What the device watches and reads, and what it is told of others.
extension SocketDevice {
    /// The commands of one connection, by the number that their answer has.
    struct Commands {
        /// The last `watch_presence`, while it has no answer.
        var watch: Int64?
        /// When the next one is due.
        var watchDueAt: Microseconds?
        /// Receipts, each with what the device knew of its own when it was sent.
        var receipts: [Int64: (key: ReceiptKey, known: Watermarks)] = [:]
        /// 1 was the authentication.
        private var last: Int64 = 1

        mutating func take() -> Int64 {
            self.last += 1
            return self.last
        }
    }

    /// Of so many messages a person is said to have seen one, and everything before it.
    private static let readEvery: UInt64 = 7
    /// Receipts without an answer; no more are sent meanwhile.
    private static let receiptsMax = 4
    private static let pauseBeforeWatch: Microseconds = 300_000

    // MARK: - Presence

    func beginWatching(_ life: inout Life) {
        life.commands = Commands()
        life.commands.watchDueAt = RunClock.now()
        life.toCompare = Set(self.world.conversations(of: self.plan.user))
    }

    /// Watches all conversations of the user. Who is no member at the moment is refused, and tries again.
    func watchIfDue(on socket: BlockingWebSocket, _ life: inout Life) {
        guard let due = life.commands.watchDueAt, due <= RunClock.now(), life.commands.watch == nil else { return }
        let ids = self.world.conversations(of: self.plan.user).map { #""\#(self.world.conversations[$0])""# }
        let number = life.commands.take()
        life.commands.watchDueAt = nil
        life.commands.watch = number
        socket.send(
            text: #"{"id":\#(number),"type":"watch_presence","conversation_ids":[\#(ids.joined(separator: ","))]}"#
        )
    }

    private func saw(_ json: JSONValue, _ status: ShownStatus?) {
        guard let status, let user = self.user(json) else { return }
        self.recorder.saw(
            self.plan.number,
            PresenceSighting(
                user: user,
                status: status,
                hasLastSeen: json["last_seen_at"]?.string != nil,
                at: RunClock.now()
            )
        )
    }

    private func status(_ json: JSONValue) -> ShownStatus? {
        ShownStatus.allCases.first { $0.name == json["status"]?.string }
    }

    // MARK: - Receipts

    func markRead(_ seq: UInt64, in conversation: Int, on socket: BlockingWebSocket, _ life: inout Life) {
        guard seq.isMultiple(of: Self.readEvery), life.commands.receipts.count < Self.receiptsMax else { return }
        let number = life.commands.take()
        let key = ReceiptKey(conversation: conversation, user: self.plan.user)
        life.commands.receipts[number] = (key, self.known(key))
        let id = self.world.conversations[conversation]
        socket.send(text: #"{"id":\#(number),"type":"message_read","conversation_id":"\#(id)","seq":\#(seq)}"#)
    }

    private func known(_ key: ReceiptKey) -> Watermarks {
        self.recorder.receipts(of: self.plan.number)[key] ?? .zero
    }

    /// Asks how far everybody has come where events may be missing, as far as the edge answers.
    func compareReceipts(_ life: inout Life) {
        for conversation in life.toCompare.sorted() {
            let known = self.recorder.receipts(of: self.plan.number)
            let answer = self.ask(conversation, "receipts", life)
            switch answer?.status {
            case 200:
                for row in answer?.json?["receipts"]?.array ?? [] {
                    guard let user = self.user(row), let watermarks = self.watermarks(row) else { continue }
                    let key = ReceiptKey(conversation: conversation, user: user)
                    self.recorder.told(self.plan.number, key, watermarks, known: known[key] ?? .zero)
                }
            case 404: break
            default: continue
            }
            life.toCompare.remove(conversation)
        }
    }

    private func watermarks(_ json: JSONValue) -> Watermarks? {
        guard let delivered = json["delivered_seq"]?.integer.flatMap({ UInt64(exactly: $0) }),
            let read = json["read_seq"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        return Watermarks(delivered: delivered, read: read)
    }

    // MARK: - What comes

    func receivedEphemeral(_ json: JSONValue, _ life: inout Life) {
        switch json["type"]?.string {
        case "presence_watched":
            if json["id"]?.integer == life.commands.watch { life.commands.watch = nil }
            for user in json["users"]?.array ?? [] { self.saw(user, self.status(user)) }
        case "user_online": self.saw(json, self.status(json))
        case "user_offline": self.saw(json, .offline)
        case "message_delivered": self.received(json, isRead: false)
        case "message_read": self.received(json, isRead: true)
        case "receipt_stored":
            guard let receipt = json["id"]?.integer.flatMap({ life.commands.receipts.removeValue(forKey: $0) }),
                let watermarks = self.watermarks(json)
            else { return }
            self.recorder.told(self.plan.number, receipt.key, watermarks, known: receipt.known)
        case "error":
            guard let number = json["id"]?.integer else { return }
            life.commands.receipts[number] = nil
            guard number == life.commands.watch else { return }
            life.commands.watch = nil
            life.commands.watchDueAt = RunClock.now() + Self.pauseBeforeWatch
        case "resync":
            life.toCompare = Set(self.world.conversations(of: self.plan.user))
            life.commands.watchDueAt = RunClock.now()
        case "member_added":
            // Perhaps it is the device's own user, whose watching ended when it was removed.
            life.commands.watchDueAt = RunClock.now()
        default: break
        }
    }

    private func received(_ json: JSONValue, isRead: Bool) {
        guard let id = json["conversation_id"]?.string.flatMap({ ConversationID($0) }),
            let conversation = self.world.conversationNumbers[id], let user = self.user(json),
            let seq = json["seq"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { return }
        self.recorder.told(
            self.plan.number,
            ReceiptKey(conversation: conversation, user: user),
            Watermarks(delivered: seq, read: isRead ? seq : 0)
        )
    }

    private func user(_ json: JSONValue) -> Int? {
        json["user_id"]?.string.flatMap { UserID($0) }.flatMap { self.world.userNumbers[$0] }
    }
}
