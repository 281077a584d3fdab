// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a certificate, its key or its authority: one sentence for what is wrong, one for what to do.
package struct CertificateProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which of the files it is about; the raw value is the key of the configuration that names it.
    package enum Part: String, Sendable, Hashable {
        case certificate
        case privateKey = "private_key"
        case authority
    }

    package var part: Part
    package var message: String
    package var remedy: String

    package init(_ part: Part, _ message: String, remedy: String) {
        self.part = part
        self.message = message
        self.remedy = remedy
    }

    package var description: String { "\(self.message); \(self.remedy)" }
}
