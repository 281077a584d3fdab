// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Wire

/// The owner of the groups: adds and removes members, one change at a time, each repeated until it is done.
package final class SimulatedOperator: SimulatedNode {
    private unowned let cluster: SimulatedCluster
    private let user: UserID
    private var isBusy = false
    private var waiting: [(RequestKind, ConversationID, UserID)] = []
    package private(set) var changes = 0

    init(user: UserID, cluster: SimulatedCluster) {
        self.cluster = cluster
        self.user = user
        super.init(name: "operator", world: cluster.world)
    }

    package var isIdle: Bool { !self.isBusy && self.waiting.isEmpty }

    package func add(_ member: UserID, to conversation: ConversationID) {
        self.waiting.append((.addMembers, conversation, member))
        self.proceed()
    }

    package func remove(_ member: UserID, from conversation: ConversationID) {
        self.waiting.append((.removeMember, conversation, member))
        self.proceed()
    }

    private func proceed() {
        guard !self.isBusy, !self.waiting.isEmpty else { return }
        self.isBusy = true
        let (kind, conversation, member) = self.waiting.removeFirst()
        self.attempt(kind, conversation, member)
    }

    private func attempt(_ kind: RequestKind, _ conversation: ConversationID, _ member: UserID) {
        let again = { [weak self] in
            guard let self else { return }
            self.later(.milliseconds(100)) { [weak self] in self?.attempt(kind, conversation, member) }
        }
        guard let edge = self.cluster.edges.first(where: { $0.isAlive && !$0.isFrozen }) else { return again() }
        var isDone = false
        let done = { [weak self] (result: Result<Void, Failure>) in
            guard let self, !isDone else { return }
            isDone = true
            // To remove somebody who is no member any more is refused: what a repeat is told that did it the first time.
            if case .failure(let failure) = result, ![.notFound, .unknownUser].contains(failure.code) {
                self.world.note("operator: \(kind) \(member) has to be repeated: \(failure.code.name)")
                return again()
            }
            self.world.note("operator: \(kind) \(member) is done")
            if kind == .removeMember { self.cluster.noteRemoved(member, from: conversation) }
            self.changes += 1
            self.isBusy = false
            self.proceed()
        }
        let slot = Slot(of: conversation.value)
        if kind == .addMembers {
            let body = AddMembers(conversation: conversation, actor: self.user, users: [member])
            edge.ask(kind, slot, body) { done($0.map { _ in () }) }
        } else {
            let body = RemoveMember(conversation: conversation, actor: self.user, user: member)
            edge.ask(kind, slot, body) { done($0.map { _ in () }) }
        }
        self.later(.seconds(7)) { done(.failure(Failure(.unavailable, "no answer"))) }
    }
}
