// SPDX-License-Identifier: Apache-2.0

/// One operation that is measured, with input that is the same in every run.
package struct Benchmark: Sendable {
    /// Words with dots between them, from the large to the small: what `--filter` and a baseline go by.
    package let name: String
    /// What one operation is.
    package let summary: String
    private let makeCase: @Sendable () -> Case

    /// The input, made ready.
    package struct Case {
        /// Bytes that one operation reads or writes in encoded form; 0 where there are none.
        package var bytes: Int
        /// Runs the operation so many times.
        package var run: (Int) -> Void

        package init(bytes: Int = 0, run: @escaping (Int) -> Void) {
            self.bytes = bytes
            self.run = run
        }
    }

    package init(_ name: String, _ summary: String, _ makeCase: @escaping @Sendable () -> Case) {
        self.name = name
        self.summary = summary
        self.makeCase = makeCase
    }

    /// Makes the input; that is not measured.
    package func prepare() -> Case { self.makeCase() }
}

/// Keeps the optimizer from leaving out what made the value.
@inline(never)
@_optimize(none)
package func keep<Value>(_ value: borrowing Value) {}
