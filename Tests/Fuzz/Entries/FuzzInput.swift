// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Takes decisions and data out of an input. Never fails: what is not there any more is 0 or empty, so that every
/// input means something.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        self.rest = bytes[...]
    }

    var isEmpty: Bool { self.rest.isEmpty }

    mutating func byte() -> UInt8 {
        self.rest.popFirst() ?? 0
    }

    mutating func word() -> UInt16 {
        UInt16(self.byte()) << 8 | UInt16(self.byte())
    }

    /// At most that many bytes.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(self.rest.prefix(count))
        self.rest = self.rest.dropFirst(count)
        return taken
    }

    /// As many bytes as the next one says; 255 stands for a length of two bytes that follows.
    mutating func chunk() -> [UInt8] {
        let short = self.byte()
        return self.take(short == 255 ? Int(self.word()) : Int(short))
    }

    mutating func remainder() -> [UInt8] {
        self.take(self.rest.count)
    }
}

/// Places to cut a stream at, so that it arrives in pieces as from a socket.
struct Cuts {
    private var places: [UInt8]

    init(_ input: inout FuzzInput) {
        self.places = input.take(Int(input.byte() & 7))
    }

    func pieces(of bytes: [UInt8]) -> [ByteBuffer] {
        guard !bytes.isEmpty else { return [] }
        let ends = self.places.map { Int($0) * bytes.count / 256 }.filter { $0 > 0 }
        var pieces: [ByteBuffer] = []
        var start = 0
        for end in Set(ends).sorted() + [bytes.count] {
            pieces.append(ByteBuffer(bytes: bytes[start..<end]))
            start = end
        }
        return pieces
    }
}
