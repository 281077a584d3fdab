// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Testing
import Wire

@testable import Router

@Suite("Large audiences")
struct AudienceSizeTests {
    private let east = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))
    private let west = EdgeLife(edge: "edge-2", incarnation: Incarnation(value: 2))

    private func parcel(_ seq: UInt64, _ list: MemberList) -> Parcel {
        let message = Message(submit(seq), seq: seq, createdAt: start)
        return Parcel(conversation: conversationID, content: .message(message), members: list)
    }

    private func told(_ actions: [Audience.Action]) -> [AudienceUpdate] {
        actions.compactMap { action in
            guard case .tell(_, let update) = action else { return nil }
            return update
        }
    }

    /// The recipients of each frame to an edge.
    private func frames(_ actions: [Audience.Action], to name: String) -> [[UserID]] {
        actions.compactMap { action in
            guard case .send(name, _, let recipients, _, _) = action else { return nil }
            return recipients
        }
    }

    @Test("More recipients than a frame holds: by number from the first message on, or named in parts")
    func largeAudience() throws {
        let count = Limits.usersPerFrameMax * 2 + 500
        let everybody = (1...UInt64(count)).map { user($0) }
        let list = MemberList(everybody.map { Member(user: $0, role: .member) }, version: 1)
        var audience = Audience()
        audience.linksChanged([self.east, self.west])
        audience.registrationChanged(edge: "edge-1", isRegistered: true, takesAudiences: true)
        audience.registrationChanged(edge: "edge-2", isRegistered: true, takesAudiences: false)
        let question = audience.deliver(self.parcel(1, list), now: start).compactMap { action -> UInt64? in
            guard case .lookUp(_, let token, _) = action else { return nil }
            return token
        }
        let found = Dictionary(uniqueKeysWithValues: everybody.map { ($0, [self.east, self.west]) })
        let answer = Audience.Answer.found(found, complete: [self.east, self.west])
        let actions = audience.lookedUp(conversationID, token: try #require(question.first), answer: answer, now: start)
        let updates = self.told(actions)
        #expect(updates.map(\.kind) == [.all, .attached, .attached])
        #expect(updates.allSatisfy { $0.users.count <= Limits.usersPerFrameMax })
        #expect(Set(updates.flatMap(\.users)) == Set(everybody))
        let named = self.frames(actions, to: "edge-2")
        #expect(named.map(\.count) == [1000, 1000, 500])
        #expect(Set(named.flatMap { $0 }) == Set(everybody))
        // One frame for each edge that understands numbers, whatever the number of members.
        #expect(self.frames(audience.deliver(self.parcel(2, list), now: start), to: "edge-1").count == 1)
        let leaving = Array(everybody.prefix(1500))
        let left = self.told(audience.attachmentChanged(edge: "edge-1", attached: [], detached: leaving))
        #expect(left.map(\.users.count) == [1000, 500])
    }
}
