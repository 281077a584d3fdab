// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing
import Wire

@testable import Edge

@Suite("Recipients that are named by a number")
struct NumberedAudiencesTests {
    private let conversation = ConversationID(value: 7)
    private let device = DeviceID(value: 1)

    private func users(_ range: ClosedRange<UInt128>) -> [UserID] { range.map { UserID(value: $0) } }

    private func update(_ number: UInt64, _ kind: AudienceUpdate.Kind, _ users: [UserID]) -> AudienceUpdate {
        AudienceUpdate(conversation: self.conversation, number: number, kind: kind, users: users)
    }

    private func known(_ audiences: NumberedAudiences, _ number: UInt64, from router: String = "a") -> Set<UserID>? {
        audiences.recipients(self.conversation, number: number, from: router).map { Set($0.1) }
    }

    @Test("who comes and goes changes the audience of that number and of that router alone")
    func updates() {
        var audiences = NumberedAudiences()
        audiences.take(self.update(1, .all, self.users(1...3)), from: "a")
        audiences.take(self.update(1, .all, self.users(8...9)), from: "b")
        audiences.take(self.update(1, .attached, self.users(3...4)), from: "a")
        audiences.take(self.update(1, .detached, self.users(1...1)), from: "a")
        audiences.take(self.update(5, .detached, self.users(2...2)), from: "a")
        #expect(self.known(audiences, 1) == Set(self.users(2...4)))
        #expect(self.known(audiences, 1, from: "b") == Set(self.users(8...9)))
        #expect(self.known(audiences, 5) == nil)
        #expect(audiences.userCount == 5)
    }

    @Test("a new number voids the one before, and a lost link all of them")
    func voids() {
        var audiences = NumberedAudiences()
        audiences.take(self.update(1, .all, self.users(1...3)), from: "a")
        audiences.take(self.update(2, .all, self.users(1...2)), from: "a")
        #expect(self.known(audiences, 1) == nil)
        #expect(self.known(audiences, 2) == Set(self.users(1...2)))
        audiences.forget("a")
        #expect(self.known(audiences, 2) == nil)
        audiences.take(self.update(2, .attached, self.users(1...2)), from: "a")
        #expect(self.known(audiences, 2) == nil)
        #expect(audiences.userCount == 0)
        #expect(audiences.count == 0)
    }

    @Test("the mark changes with the recipients")
    func marks() throws {
        var audiences = NumberedAudiences()
        audiences.take(self.update(1, .all, self.users(1...3)), from: "a")
        let first = try #require(audiences.recipients(self.conversation, number: 1, from: "a")).0
        #expect(audiences.recipients(self.conversation, number: 1, from: "a")?.0 == first)
        audiences.take(self.update(1, .attached, self.users(4...4)), from: "a")
        #expect(audiences.recipients(self.conversation, number: 1, from: "a")?.0 != first)
    }

    @Test("over the bound others are let go, and the newest is kept")
    func bound() {
        var audiences = NumberedAudiences(usersMax: 10)
        for number in 1...5 as ClosedRange<UInt128> {
            let update = AudienceUpdate(
                conversation: ConversationID(value: number),
                number: 1,
                kind: .all,
                users: self.users(1...4)
            )
            audiences.take(update, from: "a")
            #expect(audiences.recipients(ConversationID(value: number), number: 1, from: "a") != nil)
            #expect(audiences.userCount <= 10)
        }
        #expect(audiences.count == 2)
    }

    private func delivery(
        _ seq: UInt64,
        _ mark: NumberedAudiences.Mark?,
        excluded: DeviceID? = nil
    ) -> SessionLoop.Delivery {
        SessionLoop.Delivery(
            frame: EventFrames(json: ServerFrame.ping()),
            recipients: self.users(1...3),
            audience: mark,
            conversation: self.conversation,
            seq: seq,
            excluded: excluded
        )
    }

    @Test("deliveries to one audience are one group; a device does not get what it caused")
    func groups() {
        let mark = NumberedAudiences.Mark(router: "a", conversation: self.conversation, revision: 1)
        var later = mark
        later.revision = 2
        let deliveries = [
            self.delivery(1, mark), self.delivery(2, nil, excluded: self.device),
            self.delivery(3, mark, excluded: self.device), self.delivery(4, later), self.delivery(5, nil),
        ]
        let groups = DeliveryGroup.groups(of: deliveries)
        #expect(groups.map(\.places) == [[0, 2], [1], [3], [4]])
        #expect(groups.map { $0.places(for: self.device, deliveries) } == [[0], [], [3], [4]])
        #expect(groups.map { $0.places(for: DeviceID(value: 2), deliveries) } == [[0, 2], [1], [3], [4]])
    }
}
