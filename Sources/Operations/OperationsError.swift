// SPDX-License-Identifier: Apache-2.0

/// Why something that an operator asked for was not done: one sentence for what is wrong, one for what to do.
package struct OperationsError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String
    package var remedy: String

    package init(_ message: String, remedy: String) {
        self.message = message
        self.remedy = remedy
    }

    package var description: String { "\(self.message); \(self.remedy)" }
}
