// SPDX-License-Identifier: Apache-2.0

import Fields
import Messaging
import NIOCore
import Placement
import Testing
import Wire

private let conversation = ConversationID(value: 0xC0)
private let ada = UserID(value: 1)
private let device = DeviceID(value: 0xD1)
private let client = ClientMessageID(value: 0xC1)

private func hexadecimal(_ buffer: ByteBuffer) -> String {
    buffer.readableBytesView.map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }.joined()
}

private func decode<Body: WireMessage & Equatable>(_ buffer: ByteBuffer, like body: Body) throws -> Body {
    try Body(decoding: buffer)
}

private func isEqual<Body: WireMessage & Equatable>(_ body: Body, decodedFrom buffer: ByteBuffer) throws -> Bool {
    try decode(buffer, like: body) == body
}

private func decodes<Body: WireMessage>(_ buffer: ByteBuffer, as body: Body) -> Bool {
    (try? Body(decoding: buffer)) != nil
}

@Suite("Message bodies")
struct MessageBodiesTests {
    @Test("Every body has the bytes that it always had", arguments: bodySamples.indices)
    func golden(index: Int) {
        let sample = bodySamples[index]
        #expect(hexadecimal(sample.body.encoded()) == sample.hexadecimal, "\(type(of: sample.body))")
    }

    @Test("Every body is read back as it was", arguments: bodySamples.indices)
    func roundTrip(index: Int) throws {
        let body = bodySamples[index].body
        #expect(try isEqual(body, decodedFrom: body.encoded()), "\(type(of: body))")
    }

    @Test("Fields of a later version are skipped, whatever their type", arguments: bodySamples.indices)
    func laterFields(index: Int) throws {
        let body = bodySamples[index].body
        var buffer = ByteBuffer(bytes: [0xC0, 0x3E, 0x07])  // field 1000, varint
        buffer.writeBytes([0xC2, 0x3E, 0x02, 0xFF, 0xFF])  // length-delimited
        buffer.writeBytes([0xC1, 0x3E] + [UInt8](repeating: 1, count: 8))  // 64 bits
        buffer.writeBytes([0xC5, 0x3E] + [UInt8](repeating: 1, count: 4))  // 32 bits
        buffer.writeImmutableBuffer(body.encoded())
        #expect(try isEqual(body, decodedFrom: buffer), "\(type(of: body))")
    }

    @Test("No prefix and no damaged copy crashes the reader", arguments: bodySamples.indices)
    func damaged(index: Int) {
        let body = bodySamples[index].body
        let whole = body.encoded()
        for length in 0..<whole.readableBytes {
            _ = decodes(whole.getSlice(at: 0, length: length) ?? whole, as: body)
        }
        var state: UInt64 = 0x7472_756E_6B6C_696E
        for _ in 0..<300 where whole.readableBytes > 0 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var copy = whole
            copy.setInteger(UInt8(truncatingIfNeeded: state >> 33), at: Int(state >> 40) % whole.readableBytes)
            _ = decodes(copy, as: body)
        }
    }

    @Test("The list of samples holds every body that the kinds of requests and notifications need")
    func complete() {
        #expect(Set(bodySamples.map { "\(type(of: $0.body))" }).count == bodySamples.count)
        #expect(bodySamples.count == 57)
    }

    @Test("Lengths beyond the buffer, long varints and wrong types are refused")
    func hostile() {
        for bytes in [
            [0x0A], [0x0A, 0x10], [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            [UInt8](repeating: 0xFF, count: 11), [0x00, 0x01], [0x0B], [0x0F], [0x08, 0x01], [0x0A, 0x01, 0x00],
        ] as [[UInt8]] {
            #expect(throws: FieldError.self, "\(bytes)") {
                try GetCredentials(decoding: ByteBuffer(bytes: bytes))
            }
        }
    }

    @Test("A list over its bound is refused before it is taken")
    func listBound() {
        let many = [UserID](repeating: ada, count: Limits.membersPerRequestMax + 1)
        #expect(throws: FieldError.tooMany(field: 1)) {
            try GetUsers(decoding: GetUsers(users: many).encoded())
        }
    }

    @Test(
        "Text that is not UTF-8, or holds what Postgres cannot store, is refused",
        arguments: [[0xFF], [0x61, 0x00]]
    )
    func text(bytes: [UInt8]) {
        var buffer = ByteBuffer(bytes: [0x0A, UInt8(bytes.count)])
        buffer.writeBytes(bytes)
        #expect(throws: FieldError.invalidValue(field: 1)) { try ResolveUsername(decoding: buffer) }
    }

    @Test("A body over the limit of a message is refused")
    func bodyBound() {
        var submit = Submit(
            conversation: conversation,
            sender: ada,
            senderDevice: device,
            clientMessageID: client,
            kind: .text,
            body: String(repeating: "x", count: Limits.messageBodyBytesMax)
        )
        #expect(throws: Never.self) { try Submit(decoding: submit.encoded()) }
        submit.body += "x"
        #expect(throws: FieldError.invalidValue(field: 6)) { try Submit(decoding: submit.encoded()) }
    }

    @Test("The routing table travels whole")
    func routing() throws {
        let map = try #require(ShardMap(dealing: ["shard-1", "shard-2"]))
        let views = [View(shard: "shard-1", epoch: 3, routers: ["router-1@0192", "router-2@0193"])]
        let news = RoutingNews(map: map, views: views)
        #expect(try RoutingNews(decoding: news.encoded()) == news)
    }

    @Test("A router of an earlier version asks without the conversation")
    func settlementOfAnEarlierVersion() throws {
        let question = SettleDeliveries(users: [UserID(value: 2)], conversation: nil, through: 0)
        let users: [UInt8] = [0x0A, 0x10] + [UInt8](repeating: 0, count: 15) + [2]
        #expect(try SettleDeliveries(decoding: ByteBuffer(bytes: users)) == question)
    }

    @Test("An edge of an earlier version does not tell where it is registered, nor that it takes what is passed on")
    func registryOfAttachment() throws {
        let bytes: [UInt8] = [0x18, 0x01, 0x20, 0x01]
        let earlier = try Attachment(decoding: ByteBuffer(bytes: bytes))
        #expect(earlier == Attachment(attached: [], detached: [], isRegistered: true, takesRelayed: false))
        let longest = String(repeating: "x", count: Attachment.registryBytesMax)
        let whole = Attachment(attached: [], detached: [], isRegistered: true, registry: longest)
        #expect(try Attachment(decoding: whole.encoded()) == whole)
        #expect(Attachment(attached: [], detached: [], isRegistered: true, registry: longest + "x").registry.isEmpty)
        let long = ByteBuffer(bytes: [0x32, 0x81, 0x01] + [UInt8](repeating: 0x78, count: 129))
        #expect(throws: FieldError.tooMany(field: 6)) { try Attachment(decoding: long) }
    }

    @Test("An error code of a later version is told as an internal error, not refused")
    func laterErrorCode() throws {
        let body = try FailureBody(decoding: ByteBuffer(bytes: [0x08, 0xFF, 0x7F]))
        #expect(body.failure.code == .internal)
    }
}
