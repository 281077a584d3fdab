// SPDX-License-Identifier: Apache-2.0

internal import CHiredis

/// Refuses arrays in answers before the C library takes memory for them.
///
/// hiredis 0.14 allocates a pointer for every element that an array's header announces, up to two thousand million.
/// The guard puts itself in front of the library's own function for arrays and passes on only what is within the
/// bound. Depth needs no guard: the library refuses more than seven arrays inside each other.
///
/// Lives on the heap, because the reader keeps pointers to it; freed after the reader.
struct ReplyGuard: ~Copyable {
    private struct Bound {
        var elementsMax: Int32
        var createArray: (@convention(c) (UnsafePointer<redisReadTask>?, Int32) -> UnsafeMutableRawPointer?)?
    }

    private let functions: UnsafeMutablePointer<redisReplyObjectFunctions>
    private let bound: UnsafeMutablePointer<Bound>

    /// - Returns: Nil when the reader has no functions to stand in front of.
    init?(reader: UnsafeMutablePointer<redisReader>, elementsMax: Int) {
        guard let original = reader.pointee.fn else { return nil }
        self.bound = .allocate(capacity: 1)
        self.bound.initialize(
            to: Bound(elementsMax: Int32(clamping: elementsMax), createArray: original.pointee.createArray)
        )
        self.functions = .allocate(capacity: 1)
        self.functions.initialize(to: original.pointee)
        self.functions.pointee.createArray = { task, elements in
            guard let bound = task?.pointee.privdata?.assumingMemoryBound(to: Bound.self),
                elements <= bound.pointee.elementsMax
            else { return nil }
            return bound.pointee.createArray?(task, elements)
        }
        reader.pointee.fn = self.functions
        reader.pointee.privdata = UnsafeMutableRawPointer(self.bound)
    }

    /// To be called once, when the reader is gone.
    consuming func free() {
        self.functions.deallocate()
        self.bound.deallocate()
    }
}
