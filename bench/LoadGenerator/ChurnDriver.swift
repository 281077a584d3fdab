// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import LoadModel
import Messaging
import NIOCore
import TrunklineClient

/// Lets guests come and go, as the owner of each group over REST, and cuts connections of members, until it is told to stop.
actor ChurnDriver {
    /// Between two looks at whether a guest has what it is certain to get, and two attempts at a change.
    private static let look = Duration.milliseconds(50)

    private let shared: LoadLoop.Shared
    private let loops: [LoopHandle]
    private let start: NIODeadline
    private let patience: TimeAmount
    /// In a second: additions and removals, and as many cuts.
    private let changesPerSecond: Double
    private var outcome = ChurnOutcome()
    private var isStopping = false
    private var tasks: [Task<Void, Never>] = []
    /// Users that are in, with their conversations.
    private var inside: [Int: Int] = [:]

    init(
        _ shared: LoadLoop.Shared,
        _ loops: [LoopHandle],
        start: NIODeadline,
        patience: TimeAmount,
        changesPerSecond: Double
    ) {
        self.shared = shared
        self.loops = loops
        self.start = start
        self.patience = patience
        self.changesPerSecond = changesPerSecond
    }

    func begin() {
        let topology = self.shared.topology
        let guests = topology.guests.enumerated().flatMap { conversation, users in users.map { ($0, conversation) } }
        for (user, conversation) in guests {
            let pause = Double(guests.count) / self.changesPerSecond
            self.tasks.append(Task { await self.visit(user, conversation, pause: pause) })
        }
        self.tasks.append(Task { await self.cut() })
    }

    /// Ends all comings and goings; who is in stays in.
    func stop() async {
        self.isStopping = true
        for task in self.tasks { task.cancel() }
        for task in self.tasks { await task.value }
        self.tasks = []
    }

    /// Guests that are in and have not everything that they are certain to get.
    func lacking(asks: Bool) async -> Int {
        var count = 0
        for (user, conversation) in self.inside where await !self.hasReached(user, conversation, asks: asks) {
            count += 1
        }
        return count
    }

    /// What was done; who lacks something now will not get it any more.
    func finish() async -> ChurnOutcome {
        for (user, conversation) in self.inside where await !self.hasReached(user, conversation, asks: false) {
            await self.noteMissing(user, conversation)
        }
        return self.outcome
    }

    private var elapsed: Int64 { (NIODeadline.now() - self.start).nanoseconds }

    // MARK: - One guest

    private func visit(_ user: Int, _ conversation: Int, pause: Double) async {
        var random = SplitMix(seed: self.shared.seed &+ UInt64(user))
        while !self.isStopping {
            await Self.rest(Double.random(in: 0.2...1.8, using: &random) * pause)
            guard !self.isStopping, await self.enter(user, conversation) else { return }
            await Self.rest(Double.random(in: 0.2...1.8, using: &random) * pause)
            guard !self.isStopping, await self.leave(user, conversation) else { return }
        }
    }

    /// Returns false when it is stopped before it is certain that the user is in.
    private func enter(_ user: Int, _ conversation: Int) async -> Bool {
        let head = await self.head(conversation)
        await self.onAll { $0.changeGuest(user) { $0.willEnter(head: head) } }
        let isDone = await self.change(conversation) { [shared] id, member, token, edge throws(TrunklineError) in
            _ = try await shared.http.addMembers([member], to: id, token: token, edge: edge)
        } of: {
            user
        }
        guard isDone else { return false }
        let now = self.elapsed
        await self.onAll { loop in
            loop.changeGuest(user) { $0.entered() }
            loop.stays.begin(user, in: conversation, since: now)
            loop.guestEntered(user, after: head)
        }
        self.inside[user] = conversation
        self.outcome.additions += 1
        return true
    }

    /// Waits until it has what was acknowledged, and takes it out then. Returns false when it is stopped before that is certain.
    private func leave(_ user: Int, _ conversation: Int) async -> Bool {
        let deadline = NIODeadline.now() + self.patience
        while await !self.hasReached(user, conversation, asks: false) {
            guard !self.isStopping else { return false }
            guard .now() < deadline else {
                await self.noteMissing(user, conversation)
                break
            }
            // To the next look; it ends early when the run is stopped.
            try? await Task.sleep(for: Self.look)
        }
        self.inside[user] = nil
        await self.onAll { loop in
            loop.changeGuest(user) { $0.willLeave() }
            loop.stays.end(user)
        }
        let isDone = await self.change(conversation) { [shared] id, member, token, edge throws(TrunklineError) in
            do throws(TrunklineError) {
                try await shared.http.removeMember(member, from: id, token: token, edge: edge)
            } catch {
                // Nobody else changes these members: an attempt without an answer had been carried out.
                guard error.status == 404 else { throw error }
            }
        } of: {
            user
        }
        guard isDone else { return false }
        let now = self.elapsed
        await self.onAll { $0.changeGuest(user) { $0.left(at: now) } }
        self.outcome.removals += 1
        return true
    }

    /// Asks until it is certain that it is done. Returns false when it is stopped before.
    private func change(
        _ conversation: Int,
        _ body: (ConversationID, UserID, String, Int) async throws(TrunklineError) -> Void,
        of user: () -> Int
    ) async -> Bool {
        let topology = self.shared.topology
        let owner = topology.devices(ofUser: topology.members[conversation][0]).lowerBound
        let member = self.shared.population.credentials[topology.devices(ofUser: user()).lowerBound].user
        let begin = NIODeadline.now()
        while true {
            var token = self.shared.population.credentials[owner].accessToken
            // The session has a fresh one, when that is due.
            for loop in self.loops {
                if let fresh = try? await loop.ask({ $0.sessions[owner]?.credentials.accessToken }) { token = fresh }
            }
            do throws(TrunklineError) {
                try await body(
                    self.shared.population.conversations[conversation],
                    member,
                    token,
                    topology.edge(of: owner)
                )
                self.outcome.changeTimes.record(nanoseconds: (NIODeadline.now() - begin).nanoseconds)
                return true
            } catch {
                self.outcome.failures[error.name, default: 0] += 1
            }
            guard !self.isStopping else { return false }
            // The change was refused, and is asked for again a little later.
            try? await Task.sleep(for: Self.look)
        }
    }

    // MARK: - What loops know

    private func onAll(_ body: @escaping @Sendable (LoadLoop) -> Void) async {
        for loop in self.loops { try? await loop.ask(body) }
    }

    private func head(_ conversation: Int) async -> UInt64 {
        var head: UInt64 = 0
        for loop in self.loops { head = max(head, (try? await loop.ask { $0.audit.ledgers[conversation].head }) ?? 0) }
        return head
    }

    private func firstCertain(_ user: Int) async -> UInt64? {
        var first: UInt64?
        for loop in self.loops {
            guard let seq = (try? await loop.ask { $0.stays.firstCertain(of: user) }) ?? nil else { continue }
            first = min(seq, first ?? .max)
        }
        return first
    }

    private func hasReached(_ user: Int, _ conversation: Int, asks: Bool) async -> Bool {
        let (first, head) = (await self.firstCertain(user), await self.head(conversation))
        for loop in self.loops {
            let hasReached = try? await loop.ask { $0.guestHasReached(user, head, first, asks: asks) }
            if hasReached == false { return false }
        }
        return true
    }

    private func noteMissing(_ user: Int, _ conversation: Int) async {
        let first = await self.firstCertain(user)
        let detail = "a message that was sent when the user was a member, or one after it, never arrived"
        let violation = Violation(.undelivered, conversation: conversation, seq: first, user: user, detail)
        try? await self.loops[0].ask { $0.audit.note(violation) }
    }

    // MARK: - Connections

    private func cut() async {
        let topology = self.shared.topology
        let devices = topology.members.flatMap { $0.flatMap { topology.devices(ofUser: $0) } }
        var random = SplitMix(seed: self.shared.seed &- 1)
        while !self.isStopping, let device = devices.randomElement(using: &random) {
            await Self.rest(Double.random(in: 0.2...1.8, using: &random) / self.changesPerSecond)
            guard !self.isStopping else { return }
            try? await self.loops[topology.loop(of: device)].ask { $0.cut(device) }
            self.outcome.cuts += 1
        }
    }

    /// Ends early when it is stopped.
    private static func rest(_ seconds: Double) async {
        try? await Task.sleep(for: .seconds(seconds))
    }
}
