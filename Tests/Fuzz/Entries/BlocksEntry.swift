// SPDX-License-Identifier: Apache-2.0

import NIOCore

@testable import Wire

/// What a peer of the mesh sends: blocks, the frames in them, and the bodies in those.
///
/// Input: cuts, then blocks (see ``SealedBlock``) whose checksums are made right, or with the first bit of the form
/// byte set the rest as it is.
enum BlocksEntry {
    private struct Outcome: Equatable {
        var frames: [Frame] = []
        var code: WireError.Code?
    }

    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        let cuts = Cuts(&input)
        var stream: [UInt8] = []
        while !input.isEmpty {
            let form = input.byte()
            if form & 0x80 != 0 {
                stream += input.remainder()
            } else {
                let claim = form & 12 != 0 ? input.word() : 0
                stream += SealedBlock.bytes(form: form, claim: claim, payload: input.chunk())
            }
        }
        let whole = try Self.decode([ByteBuffer(bytes: stream)], streamBytes: stream.count)
        let inPieces = try Self.decode(cuts.pieces(of: stream), streamBytes: stream.count)
        try require(whole == inPieces, "a stream means something else when it is cut")
        try Self.checkEncoding(of: whole.frames)
    }

    private static func decode(_ pieces: [ByteBuffer], streamBytes: Int) throws -> Outcome {
        var decoder = BlockDecoder()
        var outcome = Outcome()
        do {
            for piece in pieces {
                decoder.append(piece)
                while var block = try decoder.nextBlock() {
                    try require(block.rawBytes <= BlockLimits.blockRawBytesMax, "a block over its bound")
                    // LZ4 makes at most 255 bytes of one.
                    try require(
                        block.rawBytes <= block.storedBytes * 255 + 64,
                        "\(block.storedBytes) bytes became \(block.rawBytes)"
                    )
                    while let frame = try block.nextFrame() { outcome.frames.append(frame) }
                }
                try require(
                    decoder.waitingBytes < BlockHeader.bytes + BlockLimits.blockRawBytesMax
                        && decoder.waitingBytes <= streamBytes,
                    "\(decoder.waitingBytes) bytes are kept"
                )
            }
        } catch let error as WireError {
            try require(!error.message.isEmpty && error.message.utf8.count < 300, "the reason is \(error.message)")
            outcome.code = error.code
        }
        return outcome
    }

    private static func checkEncoding(of frames: [Frame]) throws {
        guard !frames.isEmpty else { return }
        var encoder = BlockEncoder()
        var stream = ByteBuffer()
        for frame in frames {
            if !encoder.fits(frameBytes: frame.encodedBytes) {
                var block = encoder.finish().buffer
                stream.writeBuffer(&block)
            }
            encoder.append(frame)
            if case .request(let request) = frame {
                try BodiesEntry.check(request.payload, asRequest: request.kind)
            } else if case .notification(let notification) = frame {
                try BodiesEntry.check(notification.payload, asNotification: notification.kind)
            }
        }
        var last = encoder.finish().buffer
        stream.writeBuffer(&last)
        let bytes = stream.readableBytes
        let again = try Self.decode([stream], streamBytes: bytes)
        try require(again == Outcome(frames: frames), "frames change when they are encoded and decoded again")
    }
}
