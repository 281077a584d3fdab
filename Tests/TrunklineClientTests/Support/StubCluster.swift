// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Synchronization
import TrunklineClient

/// One conversation behind several ``StubEdge``s: numbers messages, knows repeated ones, hands them on, shows the
/// history in small pages. What it forgets to do is up to the test.
final class StubCluster: Sendable {
    static let pageRows = 7

    struct Faults: Sendable {
        /// What is stored and not answered: the connection is cut instead.
        var cutsInsteadOfAnswering: Set<String> = []
        /// What is stored and handed to nobody.
        var losesLive: Set<String> = []
        /// What is answered with this error as often as said, and not stored.
        var refusals: [String: (failure: Failure, times: Int)] = [:]
        /// Tokens that are answered with a close code.
        var closesFor: [String: UInt16] = [:]
        /// Commands but the first are not answered.
        var isSilent = false
        /// So many receipts are stored and not answered: the connection is cut instead.
        var receiptsCut = 0
        /// So many receipts are answered with `overloaded`.
        var receiptsRefused = 0
        /// As an edge of an earlier version.
        var knowsNoSync = false
        /// A device that misses more is told so.
        var syncMessagesMax: UInt64 = 1000
        /// What the next `authenticate` commands are answered with.
        var turns: [Failure] = []
        /// What the next `sync` commands are answered with.
        var syncRefusals: [Failure] = []
        /// What the next `watch_presence` commands are answered with.
        var watchRefusals: [Failure] = []
    }

    private struct State {
        var history: [DeliveredMessage] = []
        var connections: [(connection: StubConnection, device: DeviceID)] = []
        var tokens: [String] = []
        /// Of the one user that all devices belong to.
        var watermarks = Watermarks.zero
        var syncs: [SyncRequest] = []
        var faults = Faults()
    }

    private let state = Mutex(State())

    var history: [DeliveredMessage] { self.state.withLock { $0.history } }
    var watermarks: Watermarks { self.state.withLock { $0.watermarks } }

    /// As another device of the user would.
    func setWatermarks(_ watermarks: Watermarks) {
        self.state.withLock { $0.watermarks = watermarks }
    }

    /// Messages of others that are there already.
    func fill(_ count: Int) {
        let history = (0..<count).map { Fixtures.message(UInt64($0) + 1, "old \($0)") }
        self.state.withLock { $0.history = history }
    }

    /// The tokens that were shown, in order.
    var tokens: [String] { self.state.withLock { $0.tokens } }

    /// The syncs that were asked for, in order.
    var syncs: [SyncRequest] { self.state.withLock { $0.syncs } }

    func change(_ body: (inout Faults) -> Void) {
        self.state.withLock { body(&$0.faults) }
    }

    func startEdge(on group: any EventLoopGroup) async throws -> StubEdge {
        try await StubEdge.start(
            on: group,
            onCommand: { self.received($0, $1) },
            onRequest: { try self.answer($0) }
        )
    }

    func broadcast(_ message: ServerMessage) {
        for entry in self.state.withLock({ $0.connections }) { entry.connection.send(message) }
    }

    private func received(_ command: CommandMessage, _ connection: StubConnection) {
        switch command.command {
        case .authenticate(let fields):
            let (code, turn) = self.state.withLock { state in
                state.tokens.append(fields.token)
                let turn = state.faults.turns.isEmpty ? nil : state.faults.turns.removeFirst()
                return (state.faults.closesFor[fields.token], turn)
            }
            if let turn { return connection.send(.error(command.id, turn)) }
            if let code {
                connection.close(code)
                return
            }
            self.state.withLock { $0.connections.append((connection, fields.deviceID)) }
            connection.send(.authenticated(command.id, Fixtures.authenticated(inFlight: 10)))
        case .sendMessage(let request):
            self.store(request, command.id, connection)
        case .messageDelivered(let receipt):
            self.store(Watermarks(delivered: receipt.seq, read: 0), command.id, connection)
        case .messageRead(let receipt):
            self.store(Watermarks(delivered: receipt.seq, read: receipt.seq), command.id, connection)
        case .sync(let request):
            self.sync(request, command.id, connection)
        case .watchPresence(let fields):
            let refusal = self.state.withLock { state in
                state.faults.watchRefusals.isEmpty ? nil : state.faults.watchRefusals.removeFirst()
            }
            if let refusal { return connection.send(.error(command.id, refusal)) }
            let users = fields.conversationIDs.map { PresenceBody(userID: UserID(value: $0.value), status: .online) }
            connection.send(.presenceWatched(command.id, users))
        case .setStatus(let fields):
            let status = StatusBody(status: fields.status ?? .online, visibleTo: fields.visibleTo ?? .everyone)
            connection.send(.statusSet(command.id, status))
        case .setTyping(let fields):
            let typing = TypingEvent(
                conversationID: fields.conversationID,
                userID: UserID(value: 7),
                isTyping: fields.isTyping,
                expiresInMilliseconds: 1
            )
            connection.send(.typing(typing))
        case .ping:
            if !self.state.withLock({ $0.faults.isSilent }) { connection.send(.pong(command.id)) }
        }
    }

    private func store(_ watermarks: Watermarks, _ id: CommandID, _ connection: StubConnection) {
        let (stored, isRefused, isCut) = self.state.withLock { state in
            let isRefused = state.faults.receiptsRefused > 0
            guard !isRefused else {
                state.faults.receiptsRefused -= 1
                return (state.watermarks, true, false)
            }
            state.watermarks.formUnion(watermarks)
            let isCut = state.faults.receiptsCut > 0
            if isCut { state.faults.receiptsCut -= 1 }
            return (state.watermarks, false, isCut)
        }
        if isRefused {
            connection.send(.error(id, Failure(.overloaded, "later", retryAfterMilliseconds: 1)))
        } else if isCut {
            connection.cut()
        } else {
            connection.send(
                .receiptStored(id, ReceiptStored(conversationID: Fixtures.conversation, watermarks: stored))
            )
        }
    }

    private func sync(_ request: SyncRequest, _ id: CommandID, _ connection: StubConnection) {
        let (faults, history, watermarks, refusal) = self.state.withLock { state in
            state.syncs.append(request)
            let refusal = state.faults.syncRefusals.isEmpty ? nil : state.faults.syncRefusals.removeFirst()
            return (state.faults, state.history, state.watermarks, refusal)
        }
        if let refusal { return connection.send(.error(id, refusal)) }
        guard !faults.isSilent, !request.hasMore else { return }
        guard !faults.knowsNoSync else {
            return connection.send(.error(id, Failure(.unknownType, "What is `sync`?")))
        }
        guard let after = request.cursors[Fixtures.conversation] else { return }
        if request.wantsReceipts, watermarks.delivered > request.states[Fixtures.conversation] ?? 0 {
            connection.send(.syncReceipts(Fixtures.receipts(watermarks)))
        }
        // A test may have sent messages that no history has.
        let head = max(after, UInt64(history.count))
        guard head - after <= faults.syncMessagesMax else {
            let tooFar = Synced.TooFar(conversationID: Fixtures.conversation, headSeq: head, after: after)
            return connection.send(.synced(id, Synced(changed: 0, tooFar: [tooFar], isFull: true, resume: "r\(head)")))
        }
        var rest = history.filter { $0.seq > after }[...]
        while !rest.isEmpty {
            let page = Array(rest.prefix(Self.pageRows))
            rest = rest.dropFirst(page.count)
            connection.send(
                .syncMessages(
                    SyncMessages(
                        conversationID: Fixtures.conversation,
                        messages: page,
                        headSeq: head,
                        hasMore: !rest.isEmpty
                    )
                )
            )
        }
        connection.send(.synced(id, Synced(changed: after < head ? 1 : 0, isFull: true, resume: "r\(head)")))
    }

    private enum Reaction {
        case answer(ServerMessage, live: DeliveredMessage?, to: [StubConnection])
        case cut
        case nothing
    }

    private func store(_ request: SendMessageRequest, _ id: CommandID, _ connection: StubConnection) {
        let reaction = self.state.withLock { state -> Reaction in
            if state.faults.isSilent { return .nothing }
            if let refusal = state.faults.refusals[request.body], refusal.times > 0 {
                state.faults.refusals[request.body] = (refusal.failure, refusal.times - 1)
                return .answer(.error(id, refusal.failure), live: nil, to: [])
            }
            if let known = state.history.first(where: { $0.clientMessageID == request.clientMessageID }) {
                return .answer(
                    .messageSent(id, Fixtures.sent(request, seq: known.seq, isDuplicate: true)),
                    live: nil,
                    to: []
                )
            }
            let seq = UInt64(state.history.count) + 1
            let message = Fixtures.message(seq, request.body, id: request.clientMessageID)
            state.history.append(message)
            if state.faults.cutsInsteadOfAnswering.remove(request.body) != nil { return .cut }
            let loses = state.faults.losesLive.contains(request.body)
            let others = loses ? [] : state.connections.map(\.connection).filter { $0 !== connection }
            return .answer(.messageSent(id, Fixtures.sent(request, seq: seq)), live: message, to: others)
        }
        switch reaction {
        case .answer(let answer, let live, let others):
            connection.send(answer)
            if let live { for other in others { other.send(.newMessage(live)) } }
        case .cut:
            connection.cut()
        case .nothing:
            break
        }
    }

    private func answer(_ request: StubEdge.Request) throws -> StubEdge.Answer {
        if request.uri == "/api/auth/refresh" {
            return try .json(Fixtures.tokens(access: "fresh", refresh: "next"))
        }
        let query = request.uri.split(separator: "?").last ?? ""
        let after = query.split(separator: "&").first { $0.hasPrefix("after=") }.flatMap { UInt64($0.dropFirst(6)) }
        guard let after else { return try .problem(Failure(.malformed, "No `after`.")) }
        let history = self.history
        let rest = history.filter { $0.seq > after }
        return try .json(
            MessagesResponse(
                messages: Array(rest.prefix(Self.pageRows)),
                headSeq: UInt64(history.count),
                hasMore: rest.count > Self.pageRows
            )
        )
    }
}
