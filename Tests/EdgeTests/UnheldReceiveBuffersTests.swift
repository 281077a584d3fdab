// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Testing

@testable import Edge

@Suite("The buffers that connections read into")
struct UnheldReceiveBuffersTests {
    private func size(_ buffers: UnheldReceiveBuffers) -> Int {
        buffers.buffer(allocator: ByteBufferAllocator()).capacity
    }

    @Test("The one that the channel keeps is small")
    func first() {
        var buffers = UnheldReceiveBuffers()
        #expect(self.size(buffers) == UnheldReceiveBuffers.firstSize)
        _ = buffers.record(actualReadBytes: UnheldReceiveBuffers.firstSize)
        #expect(self.size(buffers) == UnheldReceiveBuffers.initialSize)
    }

    @Test("The channel is never given a reason to keep another")
    func unheld() {
        var buffers = UnheldReceiveBuffers()
        for count in [64, 1, 0, 2048, 65536, 3] {
            let mayGrow = buffers.record(actualReadBytes: count)
            #expect(mayGrow, "the channel would use the last buffer again")
            #expect(buffers.nextBufferSize() == nil, "the channel would keep a buffer of that size")
        }
    }

    @Test("Sizes follow what is read, within bounds")
    func sizes() {
        var buffers = UnheldReceiveBuffers()
        _ = buffers.record(actualReadBytes: 64)
        for expected in [4096, 8192, 16384, 32768, 65536, 65536] {
            _ = buffers.record(actualReadBytes: self.size(buffers))
            #expect(self.size(buffers) == expected)
        }
        for expected in [65536, 32768, 32768, 16384, 16384, 8192, 8192, 4096, 4096, 2048, 2048, 1024, 1024, 1024] {
            _ = buffers.record(actualReadBytes: 10)
            #expect(self.size(buffers) == expected)
        }
        _ = buffers.record(actualReadBytes: 600)
        #expect(self.size(buffers) == 1024, "more than half of it")
    }

    @Test("Fits into the existential of the channel without an allocation")
    func layout() {
        #expect(MemoryLayout<UnheldReceiveBuffers>.size <= 3 * MemoryLayout<Int>.size)
    }
}
