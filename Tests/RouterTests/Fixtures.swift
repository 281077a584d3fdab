// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Wire

@testable import Router

/// A UUIDv7 whose time is the given one.
func clientMessageID(at time: UnixMilliseconds, _ number: UInt64 = 0) -> ClientMessageID {
    ClientMessageID(value: ClientMessageID.lowerBound(at: time).value | UInt128(number))
}

func user(_ number: UInt64) -> UserID {
    UserID(value: UInt128(number))
}

let conversationID = ConversationID(value: 0xC0)
let start: UnixMilliseconds = 1_800_000_000_000

func conversation(
    _ id: ConversationID = conversationID,
    kind: ConversationKind = .group,
    head: UInt64 = 0
) -> Conversation {
    Conversation(id: id, kind: kind, title: "", createdBy: user(1), createdAt: start, headSeq: head)
}

func members(_ roles: [UInt64: MemberRole], version: UInt64 = 1) -> MemberList {
    MemberList(roles.sorted { $0.key < $1.key }.map { Member(user: user($0.key), role: $0.value) }, version: version)
}

func submit(
    _ number: UInt64,
    from sender: UInt64 = 1,
    to conversation: ConversationID = conversationID,
    body: String = "hello"
) -> Submit {
    Submit(
        conversation: conversation,
        sender: user(sender),
        senderDevice: DeviceID(value: UInt128(sender)),
        clientMessageID: clientMessageID(at: start, number),
        kind: .text,
        body: body
    )
}

func item(_ ticket: UInt64, _ submit: Submit) -> Sequencer.Item {
    Sequencer.Item(ticket: ticket, slot: Slot(of: submit.conversation.value), submit: submit)
}

/// A small generator whose whole course follows from its seed (SplitMix64, Steele et al. 2014).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
