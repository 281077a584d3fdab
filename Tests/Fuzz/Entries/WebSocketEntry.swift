// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Logging
import Messaging
import NIOCore
import NIOEmbedded
import NIOWebSocket
import Wire

@testable import Edge

/// What a client sends after the upgrade: NIO's decoder, the assembler, commands, and the session with its shell.
///
/// Input: a byte whose first bit begins with an open session and whose second takes the rest as it is, in pieces.
/// Otherwise steps: frames of any kind, time that passes, a socket that takes no more, answers of routers, live events,
/// and reasons of the edge to close.
enum WebSocketEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let form = input.byte()
        let client = try SessionUnderTest()
        if form & 1 != 0 { try client.authenticate() }
        if form & 2 != 0 {
            let cuts = Cuts(&input)
            for piece in cuts.pieces(of: input.remainder()) { try client.receive(piece) }
        } else {
            while !input.isEmpty { try Self.step(&input, client) }
        }
        try client.finish(inputBytes: bytes.count)
    }

    private static func step(_ input: inout FuzzInput, _ client: SessionUnderTest) throws {
        let step = input.byte()
        switch step {
        case 0..<0xE0:
            // The first byte of a frame as it is on the wire, save that the reserved bits are mostly left out.
            let first = step & 0x40 != 0 ? step : step & 0x8F
            try client.receive(ByteBuffer(bytes: Self.frame(first, input.chunk(), isMasked: step != 0x5F)))
        case 0xE0..<0xE4: client.advance(.milliseconds(Int64(input.word()) * 4))
        case 0xE4: client.setWritable(false)
        case 0xE5: client.setWritable(true)
        case 0xE6..<0xEC: client.answer(input.byte())
        case 0xEC..<0xF0: client.deliver(bytes: Int(input.byte()), count: Int(step & 3) + 1)
        case 0xF0..<0xF4:
            let codes = CloseCode.allCases
            client.close(codes[Int(input.byte()) % codes.count])
        case 0xF4: client.beginStop()
        case 0xF5: try client.authenticate()
        case 0xF6..<0xF9: try client.sendMessage(conversation: input.byte() & 3)
        default: try client.receive(ByteBuffer(bytes: input.chunk()))
        }
    }

    /// A frame of a client, with the shortest length.
    private static func frame(_ first: UInt8, _ payload: [UInt8], isMasked: Bool) -> [UInt8] {
        var frame: [UInt8] = [first]
        let mask: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ...125: frame.append(mask | UInt8(payload.count))
        default: frame += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        }
        guard isMasked else { return frame + payload }
        let key: [UInt8] = [0xA1, 0x52, 0x00, 0xFF]
        return frame + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }
}
