// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Something that belongs to the thread of one simulation, in the closures that the product wants to be sendable.
///
/// Unchecked, because a run happens on one thread from its beginning to its end: whoever takes the value on another one
/// is stopped.
struct Confined<Value>: @unchecked Sendable {
    private let confined: Value
    private let thread = pthread_self()

    init(_ value: Value) {
        self.confined = value
    }

    var value: Value {
        precondition(pthread_equal(self.thread, pthread_self()) != 0, "a simulation stays on its thread")
        return self.confined
    }
}
