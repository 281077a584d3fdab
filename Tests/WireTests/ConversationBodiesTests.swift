// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing

@testable import Wire

@Suite("Bodies about conversations")
struct ConversationBodiesTests {
    private let conversation = ConversationID(value: 0xC0)
    private let ada = UserID(value: 1)
    private let bob = UserID(value: 2)

    @Test("A part of the members is asked for, and says how many there are")
    func membersInPart() throws {
        let ask = GetConversation(conversation: conversation, actor: ada, membersAfter: bob, membersMax: 50)
        #expect(try GetConversation(decoding: ask.encoded()) == ask)
        let member = Member(user: ada, role: .owner)
        let team = Conversation(id: conversation, kind: .group, title: "Team", createdBy: ada, createdAt: 1, headSeq: 7)
        let state = ConversationState(conversation: team, members: [member], memberCount: 4711)
        #expect(try ConversationState(decoding: state.encoded()) == state)
        let all = ConversationState(conversation: team, members: [member])
        #expect(try ConversationState(decoding: all.encoded()).memberCount == 1)
    }
}
