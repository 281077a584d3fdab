// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Wire

/// Input of all benchmarks. The same in every run: everything random has a seed of its own.
enum Samples {
    static let now: UnixMilliseconds = 1_800_000_000_000

    /// SplitMix64 (Steele et al. 2014).
    struct Random: RandomNumberGenerator {
        private var state: UInt64

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

    private static let words = [
        "hello", "there", "meeting", "tomorrow", "lunch", "please", "thanks", "maybe", "after", "train", "the", "of",
        "with", "report", "and", "we", "you", "later", "ticket", "station",
    ]

    /// Some 120 bytes, as people write them.
    static func text(_ random: inout Random) -> String {
        (0..<20).map { _ in Self.words[Int(random.next() % UInt64(Self.words.count))] }.joined(separator: " ")
    }

    static func identifier<Kind>(_ random: inout Random) -> Identifier<Kind> {
        Identifier(value: UInt128(random.next()) << 64 | UInt128(random.next()))
    }

    /// A UUIDv7 of the sample's time.
    static func clientMessageID(_ number: UInt64) -> ClientMessageID {
        ClientMessageID(value: ClientMessageID.lowerBound(at: Self.now).value | UInt128(number))
    }

    static func user(_ number: Int) -> UserID {
        UserID(value: UInt128(0x0198_C6F2_7C1E_7000) << 64 | UInt128(0x8000_0000_0000_0000 + UInt64(number)))
    }

    static func submit(_ number: UInt64, to conversation: ConversationID, _ random: inout Random) -> Submit {
        Submit(
            conversation: conversation,
            sender: Self.user(1),
            senderDevice: DeviceID(value: 77),
            clientMessageID: Self.clientMessageID(number),
            kind: .text,
            body: Self.text(&random)
        )
    }

    static func message(_ seq: UInt64, in conversation: ConversationID, _ random: inout Random) -> Message {
        Message(
            conversation: conversation,
            seq: seq,
            sender: Self.user(Int(random.next() % 1000)),
            senderDevice: Self.identifier(&random),
            clientMessageID: Self.clientMessageID(random.next() >> 16),
            kind: .text,
            body: Self.text(&random),
            createdAt: Self.now + seq
        )
    }

    static func messages(_ count: Int) -> [Message] {
        var random = Random(seed: 1)
        let conversations: [ConversationID] = (0..<64).map { _ in Self.identifier(&random) }
        return (0..<count).map { index in
            let place = index % conversations.count
            return Self.message(UInt64(1 + index / conversations.count), in: conversations[place], &random)
        }
    }

    /// What a router sends to an edge: each names its audience by a number.
    static func deliveries(_ count: Int) -> [Frame] {
        Self.messages(count).map { message in
            let deliver = Deliver(message: message, recipients: [], isBroadcast: false, audience: 12)
            return .notification(
                NotificationFrame(kind: NotificationKind.deliver.rawValue, payload: deliver.encoded())
            )
        }
    }

    /// The same as clients read them: what a block holds when bodies are JSON.
    static func jsonFrames(_ count: Int) -> [Frame] {
        Self.messages(count).map { message in
            let json = ServerMessage.newMessage(DeliveredMessage(message)).encoded()
            return .notification(NotificationFrame(kind: 1, payload: ByteBuffer(bytes: json)))
        }
    }
}
