// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Glibc
import Messaging
import Synchronization
import TestSupport

/// A device on a thread of its own that shares no code with the client library: a WebSocket by hand, and
/// `GET …/messages?after=SEQ` for what it misses.
///
/// What it shows, per conversation, is the run of messages without gaps; a number that a page leaves out does not exist
/// for it. All calls may come from any thread.
final class SocketDevice: Sendable {
    private struct State {
        var socket: BlockingWebSocket?
        /// What had arrived on the present socket when a removal was acknowledged, and when that was; in order.
        var marks: [(byte: UInt64, at: Microseconds)] = []
        /// From now on it is always there and reads at once.
        var isSettling = false
        var isStopped = false
    }

    let plan: Population.Device
    let world: World
    let recorder: Recorder
    private let ports: [UInt16]
    private let state = Mutex(State())

    /// Bytes that a slow reader takes at once, and how long it rests after each.
    private static let slowBytes = 256
    private static let slowRest: UInt32 = 150_000
    private static let slowReceiveBuffer = 4096
    /// How long a request over REST, or a handshake, may take before another edge is tried.
    private static let timeoutSeconds = 5

    init(_ plan: Population.Device, _ world: World, _ recorder: Recorder, ports: [UInt16]) {
        self.plan = plan
        self.world = world
        self.recorder = recorder
        self.ports = ports
        PlainThreads.start { self.run() }
    }

    func settle() {
        self.state.withLock { $0.isSettling = true }
    }

    func stop() {
        self.state.withLock { $0.isStopped = true }
    }

    /// Is gone for good, as if its user had put it away.
    func leave() {
        self.recorder.isAway(self.plan.number)
        self.stop()
        self.drop()
    }

    /// Loses its connection, as one of many.
    func drop() {
        self.state.withLock { $0.socket }?.abandon()
    }

    /// A removal of its user was acknowledged, at this time or a moment before: all that has arrived by now arrived in
    /// time, whenever it will be read.
    func removalAcknowledged(at time: Microseconds) {
        self.state.withLock { state in
            guard let socket = state.socket else { return }
            state.marks.append((socket.markArrived(), time))
        }
    }

    // MARK: - Life

    /// What the thread that runs the device keeps.
    struct Life {
        var random: SeededRandom
        var edge: Int
        /// Commands of the present connection that have an answer to come.
        var commands = Commands()
        /// The number that is shown next, by conversation.
        var next: [Int: UInt64] = [:]
        /// Conversations in which something may be missing.
        var toCatchUp: Set<Int> = []
        /// Conversations in which receipts may be missing.
        var toCompare: Set<Int> = []
    }

    private var isStopped: Bool { self.state.withLock { $0.isStopped } }
    private var isSettling: Bool { self.state.withLock { $0.isSettling } }

    private func run() {
        var life = Life(random: SeededRandom(seed: self.plan.seed), edge: self.plan.edge)
        while !self.isStopped {
            do {
                let socket = try self.connect(&life)
                self.state.withLock { state in
                    state.socket = socket
                    state.marks = []
                }
                self.recorder.connected(self.plan.number)
                life.toCatchUp = Set(self.world.conversations(of: self.plan.user))
                self.beginWatching(&life)
                self.stay(on: socket, &life)
                self.recorder.disconnected(self.plan.number)
                socket.abandon()
            } catch {
                self.rest(milliseconds: Int.random(in: 50...300, using: &life.random))
            }
            self.state.withLock { $0.socket = nil }
            life.edge += 1
            if let away = self.awayMilliseconds(&life) { self.rest(milliseconds: away) }
        }
    }

    /// How long it stays away on its own account.
    private func awayMilliseconds(_ life: inout Life) -> Int? {
        guard !self.isSettling else { return nil }
        switch self.plan.behaviour {
        case .flapping: return Int.random(in: 200...3000, using: &life.random)
        case .sleeping: return Int.random(in: 15_000...40_000, using: &life.random)
        case .session, .socket, .slow: return nil
        }
    }

    private func stayMilliseconds(_ life: inout Life) -> Int? {
        switch self.plan.behaviour {
        case .flapping: Int.random(in: 500...4000, using: &life.random)
        case .sleeping: Int.random(in: 3000...6000, using: &life.random)
        case .session, .socket, .slow: nil
        }
    }

    /// In small parts, because it may be told to hurry.
    private func rest(milliseconds: Int) {
        let end = RunClock.now() + Microseconds(milliseconds) * 1000
        while RunClock.now() < end, !self.isStopped, milliseconds < 1000 || !self.isSettling {
            usleep(20_000)
        }
    }

    private func connect(_ life: inout Life) throws -> BlockingWebSocket {
        let socket = try BlockingWebSocket(
            port: self.ports[life.edge % self.ports.count],
            timeoutSeconds: Self.timeoutSeconds,
            receiveBufferBytes: self.plan.behaviour == .slow ? Self.slowReceiveBuffer : nil
        )
        let account = self.world.accounts[self.plan.number]
        socket.send(
            text: #"{"id":1,"type":"authenticate","token":"\#(account.token)","device_id":"\#(account.device)"}"#
        )
        guard case .text(let bytes, _) = socket.next(withinMilliseconds: Int32(Self.timeoutSeconds * 1000)),
            let answer = try? JSONValue(json: bytes), answer["type"]?.string == "authenticated"
        else {
            throw World.Failure(description: "not authenticated")
        }
        return socket
    }

    private func stay(on socket: BlockingWebSocket, _ life: inout Life) {
        let leaves = self.stayMilliseconds(&life).map { RunClock.now() + Microseconds($0) * 1000 }
        while !self.isStopped {
            let isSettling = self.isSettling
            if let leaves, RunClock.now() >= leaves, !isSettling { return }
            self.catchUp(&life)
            self.compareReceipts(&life)
            self.watchIfDue(on: socket, &life)
            let isSlow = self.plan.behaviour == .slow && !isSettling
            switch socket.next(
                withinMilliseconds: life.toCatchUp.isEmpty ? 100 : 20,
                atMost: isSlow ? Self.slowBytes : 65_536
            ) {
            case .text(let bytes, let start): self.received(bytes, startedAtByte: start, on: socket, &life)
            case .ended(let code):
                // 4501: this very device connected twice, which it never does.
                if let code, code >= 4500 { self.recorder.ended(self.plan.number, "closed with \(code)") }
                return
            case .nothing: break
            }
            if isSlow { usleep(Self.slowRest) }
        }
    }

    // MARK: - What comes

    private func received(
        _ bytes: [UInt8],
        startedAtByte start: UInt64,
        on socket: BlockingWebSocket,
        _ life: inout Life
    ) {
        guard let json = try? JSONValue(json: bytes) else {
            return self.recorder.ended(self.plan.number, "an edge sent what is no JSON")
        }
        switch json["type"]?.string {
        case "resync":
            life.toCatchUp = Set(self.world.conversations(of: self.plan.user))
            self.receivedEphemeral(json, &life)
        case "new_message":
            guard let content = json["message"] else { return }
            let now = RunClock.now()
            let at = self.state.withLock { state in
                state.marks.removeAll { $0.byte < start }
                return state.marks.first { start < $0.byte }?.at ?? now
            }
            guard let (conversation, seq, id) = self.note(content, .live, at, at) else { return }
            self.markRead(seq, in: conversation, on: socket, &life)
            let next = life.next[conversation] ?? 1
            if seq == next {
                self.recorder.showed(self.plan.number, conversation, .init(seq: seq, id: id))
                life.next[conversation] = seq + 1
            } else if seq > next {
                life.toCatchUp.insert(conversation)
            }
        default:
            self.receivedEphemeral(json, &life)
        }
    }

    private func note(
        _ content: JSONValue,
        _ way: Delivery.Way,
        _ at: Microseconds,
        _ arrivedAt: Microseconds
    ) -> (Int, UInt64, ClientMessageID)? {
        guard let conversation = content["conversation_id"]?.string.flatMap({ ConversationID($0) }),
            let number = self.world.conversationNumbers[conversation],
            let seq = content["seq"]?.integer.flatMap({ UInt64(exactly: $0) }),
            let id = content["client_message_id"]?.string.flatMap({ ClientMessageID($0) })
        else { return nil }
        self.recorder.delivered(
            self.plan.number,
            Delivery(
                conversation: number,
                seq: seq,
                id: id,
                at: at,
                arrivedAt: arrivedAt,
                way: way,
                isIntact: content["body"]?.string == MessageText.of(id)
            )
        )
        return (number, seq, id)
    }

    // MARK: - Pages

    /// Everything that is missing, as far as an edge answers; the rest stays for the next time.
    private func catchUp(_ life: inout Life) {
        for conversation in life.toCatchUp.sorted() {
            while let page = self.page(conversation, after: (life.next[conversation] ?? 1) - 1, &life) {
                for content in page.messages {
                    guard let (_, seq, id) = self.note(content, .page, page.askedAt, RunClock.now()) else {
                        continue
                    }
                    guard seq >= life.next[conversation] ?? 1 else { continue }
                    self.recorder.showed(self.plan.number, conversation, .init(seq: seq, id: id))
                    life.next[conversation] = seq + 1
                }
                if !page.hasMore {
                    life.toCatchUp.remove(conversation)
                    break
                }
            }
        }
    }

    private struct Page {
        var messages: [JSONValue] = []
        var hasMore = false
        var askedAt: Microseconds
    }

    /// Nil when no edge answered. Who is no member has an empty page.
    private func page(_ conversation: Int, after seq: UInt64, _ life: inout Life) -> Page? {
        let askedAt = RunClock.now()
        let answer = self.ask(conversation, "messages?after=\(seq)&limit=200", life)
        switch answer?.status {
        case 200:
            guard let json = answer?.json, let messages = json["messages"]?.array else { return nil }
            return Page(messages: messages, hasMore: json["has_more"]?.bool ?? false, askedAt: askedAt)
        case 404:
            return Page(askedAt: askedAt)
        default:
            return nil
        }
    }

    /// Asks the edge of the present connection about a conversation; nil when it did not answer.
    func ask(_ conversation: Int, _ what: String, _ life: Life) -> PlainHTTP.Response? {
        try? PlainHTTP.request(
            "GET",
            "/api/conversations/\(self.world.conversations[conversation])/\(what)",
            port: self.ports[life.edge % self.ports.count],
            token: self.world.accounts[self.plan.number].token,
            timeoutSeconds: Self.timeoutSeconds
        )
    }
}
