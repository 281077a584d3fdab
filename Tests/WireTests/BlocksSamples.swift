// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import Wire

enum BlockSamples {
    static let hello = HelloFrame(
        versionMin: 1,
        versionMax: 1,
        features: 0x8000_0000_0000_0001,
        linkID: 0x0102_0304_0506_0708,
        role: 2,
        lane: 1,
        incarnation: 0x1011_1213_1415_1617_1819_1A1B_1C1D_1E1F,
        nonce: Array(0..<32),
        cluster: "prod",
        nodeName: "router-1"
    )

    static func notification(_ text: String) -> Frame {
        .notification(NotificationFrame(kind: 1, payload: ByteBuffer(string: text)))
    }

    /// Like the messages that blocks are made for: JSON of about 300 bytes, each a little different.
    static func conversation(frames: Int, using generator: inout BlockSeededGenerator) -> [Frame] {
        (0..<frames).map { index in
            let words = (0..<12).map { _ in
                ["hello", "there", "meeting", "tomorrow", "lunch", "please", "thanks", "maybe"]
                    .randomElement(using: &generator) ?? ""
            }
            let id = UInt64.random(in: 0...UInt64.max, using: &generator)
            return Self.notification(
                #"{"message_id":"\#(id)","conversation_id":"0198c6f2-7c1e-7000-8000-000000000001","seq":\#(index),"#
                    + #""sender_id":"0198c6f2-7c1e-7000-8000-00000000000a","kind":"text","body":""#
                    + words.joined(separator: " ") + #"","created_at":\#(1_760_000_000_000 + index)}"#
            )
        }
    }

    static func encode(_ frames: [Frame], threshold: Int? = 256, level: Int = 1) -> EncodedBlock {
        var encoder = BlockEncoder(compression: BlockCompression(thresholdBytes: threshold, level: level))
        for frame in frames { encoder.append(frame) }
        return encoder.finish()
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct BlockSeededGenerator: RandomNumberGenerator {
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

    mutating func bytes(upTo count: Int) -> [UInt8] {
        (0..<Int.random(in: 0...count, using: &self)).map { _ in UInt8(truncatingIfNeeded: self.next()) }
    }
}

extension ByteBuffer {
    /// Bytes written as pairs of digits.
    init(hexadecimal: String) {
        self.init()
        let digits = Array(hexadecimal.utf8)
        for index in stride(from: 0, to: digits.count - 1, by: 2) {
            let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
            self.writeInteger(UInt8(pair, radix: 16) ?? 0)
        }
    }

    var hexadecimal: String {
        self.readableBytesView.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
