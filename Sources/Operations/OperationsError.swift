// SPDX-License-Identifier: Apache-2.0

/// Why something that an operator asked for was not done: one sentence for what is wrong, one for what to do.
package struct OperationsError: Error, Hashable, Sendable, CustomStringConvertible {
    /// For those who ask over HTTP, where it becomes a status.
    package enum Kind: Hashable, Sendable {
        /// Something that is needed is away, or does not do what it should.
        case failed
        /// What was asked is not understood.
        case invalid
        /// What was named is not there.
        case notFound
        /// It must not be done as things are.
        case refused
    }

    package var message: String
    package var remedy: String
    package var kind: Kind

    package init(_ message: String, remedy: String, kind: Kind = .failed) {
        self.message = message
        self.remedy = remedy
        self.kind = kind
    }

    package var description: String { "\(self.message); \(self.remedy)" }
}
