// SPDX-License-Identifier: Apache-2.0

import FaultModel
import Synchronization
import TestSupport

/// Adds and removes the comers of one conversation all the time, as its owner, over REST.
///
/// A change is asked for until its outcome is certain; nobody else changes these members, so `404` for a removal, and any
/// success for an addition, means that it is done.
final class MembershipChanger: Sendable {
    private let conversation: Population.Conversation
    private let world: World
    private let recorder: Recorder
    private let ports: [UInt16]
    private let devices: [SocketDevice]
    private let isStopping = Mutex(false)
    private let seed: UInt64

    init(
        _ conversation: Population.Conversation,
        _ world: World,
        _ recorder: Recorder,
        ports: [UInt16],
        devices: [SocketDevice],
        seed: UInt64
    ) {
        self.conversation = conversation
        self.world = world
        self.recorder = recorder
        self.ports = ports
        self.devices = devices
        self.seed = seed
    }

    func stop() {
        self.isStopping.withLock { $0 = true }
    }

    /// Until it is stopped; then everybody is added for good.
    func run() async {
        var random = SeededRandom(seed: self.seed)
        var members: Set<Int> = []
        while !self.isStopping.withLock({ $0 }) {
            guard let user = self.conversation.comers.randomElement(using: &random) else { return }
            if members.contains(user) {
                await self.remove(user)
                members.remove(user)
            } else {
                await self.add(user)
                members.insert(user)
            }
            try? await Task.sleep(for: .milliseconds(Int.random(in: 150...900, using: &random)))
        }
        for user in self.conversation.comers where !members.contains(user) { await self.add(user) }
    }

    private func add(_ user: Int) async {
        let requestedAt = RunClock.now()
        await self.ask("POST", "members", json: #"{"user_ids":["\#(self.world.users[user])"]}"#) { $0 == 200 }
        self.note(.added, user, requestedAt, RunClock.now())
    }

    private func remove(_ user: Int) async {
        let requestedAt = RunClock.now()
        await self.ask("DELETE", "members/\(self.world.users[user])", json: nil) { $0 == 204 || $0 == 404 }
        let acknowledgedAt = RunClock.now()
        for device in self.devices where device.plan.user == user {
            device.removalAcknowledged(at: acknowledgedAt)
        }
        self.note(.removed, user, requestedAt, acknowledgedAt)
    }

    private func ask(_ method: String, _ path: String, json: String?, until isDone: (Int) -> Bool) async {
        let owner = self.world.accounts[self.conversation.owner]
        let whole = "/api/conversations/\(self.world.conversations[self.conversation.number])/\(path)"
        var attempt = 0
        while true {
            let port = self.ports[attempt % self.ports.count]
            let answer = try? await onThread {
                try PlainHTTP.request(method, whole, port: port, token: owner.token, json: json, timeoutSeconds: 12)
            }
            if let answer, isDone(answer.status) { return }
            attempt += 1
            // The pace of a client that repeats what had no answer.
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    private func note(_ kind: MembershipChange.Kind, _ user: Int, _ requestedAt: Microseconds, _ at: Microseconds) {
        self.recorder.changed(
            MembershipChange(
                kind,
                conversation: self.conversation.number,
                user: user,
                requestedAt: requestedAt,
                acknowledgedAt: at
            )
        )
    }
}
