// SPDX-License-Identifier: Apache-2.0

import Logging
import Messaging
import NIOCore
import NIOEmbedded
import Wire

@testable import Mesh

/// What a node that was dialled takes from the two connections of a link: handshake, lanes, credit, the link's life.
///
/// Input: steps. Some are those of an honest peer, so that what follows meets an established link; the others are
/// blocks of anything on one of the two lanes, time, requests of the node's own and its answers.
enum LanesEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let node = try NodeUnderTest()
        while !input.isEmpty { try Self.step(&input, node) }
        try node.finish(inputBytes: bytes.count)
    }

    private static func step(_ input: inout FuzzInput, _ node: NodeUnderTest) throws {
        let step = input.byte()
        let lane: LaneKind = step & 1 == 0 ? .bulk : .control
        switch step >> 1 {
        case 0: try node.shakeHandsHonestly(.control)
        case 1: try node.shakeHandsHonestly(.bulk)
        case 2:
            try node.shakeHandsHonestly(.control)
            try node.shakeHandsHonestly(.bulk)
        case 3: node.advance(.milliseconds(Int64(input.byte()) * 16))
        case 4: node.request(bytes: Int(input.byte()))
        case 5: node.reply(bytes: Int(input.word()) * 4)
        case 6: node.setWritable(input.byte() & 1 == 0, lane)
        case 7: node.notify(bytes: Int(input.byte()))
        case 8: try node.close(lane)
        case 9: node.dropRequests()
        case 10: node.leave()
        case 11..<60:
            let form = input.byte()
            let claim = form & 12 != 0 ? input.word() : 0
            let type = Self.types[Int(step >> 1) % Self.types.count]
            let frame = SealedBlock.frame(type: type, body: input.chunk())
            try node.receive(SealedBlock.bytes(form: form & 0x7F, claim: claim, payload: frame), lane)
        case 60..<100:
            let form = input.byte()
            let claim = form & 12 != 0 ? input.word() : 0
            try node.receive(SealedBlock.bytes(form: form & 0x7F, claim: claim, payload: input.chunk()), lane)
        default: try node.receive(input.chunk(), lane)
        }
    }

    private static let types: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 128]
}
