// SPDX-License-Identifier: Apache-2.0

import MicroProbe

enum AllocationCounter {
    @Sendable
    static func read() -> (calls: UInt64, bytes: UInt64) {
        (microAllocations(), microAllocatedBytes())
    }
}

/// The processor's own counter, of the thread that made this.
struct InstructionCounter: Sendable {
    private let descriptor: Int32

    /// Nil where the kernel or the virtual machine has none.
    init?() {
        let descriptor = microOpenInstructionCounter()
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    @Sendable
    func read() -> UInt64 {
        microReadInstructionCounter(self.descriptor)
    }
}
