// SPDX-License-Identifier: Apache-2.0

import Foundation
import X509

extension Certificate {
    /// The name that a person knows it by.
    var shortName: String {
        if let node = self.certifiedNodes.first { return node.uri }
        return self.subject.isEmpty ? "serial number \(self.serialNumber)" : "\(self.subject)"
    }

    /// What speaks against it at a time, or nil.
    func doubtAboutTime(now: Date) -> String? {
        if now > self.notValidAfter {
            return "the certificate of \(self.shortName) has expired, on \(Self.text(of: self.notValidAfter))"
        }
        if now < self.notValidBefore {
            return "the certificate of \(self.shortName) is valid only from \(Self.text(of: self.notValidBefore)) on"
        }
        return nil
    }

    /// Whether it may sign others.
    var maySign: Bool {
        guard case .isCertificateAuthority = try? self.extensions.basicConstraints else { return false }
        guard let usage = try? self.extensions.keyUsage else { return true }
        return usage.keyCertSign
    }

    /// A certificate that says nothing about its uses may be used for all.
    var mayBeUsedByBothSides: Bool {
        guard let usages = try? self.extensions.extendedKeyUsage else { return true }
        return usages.contains(.any) || (usages.contains(.serverAuth) && usages.contains(.clientAuth))
    }

    func isSigned(by other: Certificate) -> Bool {
        self.issuer == other.subject && other.publicKey.isValidSignature(self.signature, for: self)
    }

    /// Whether a chain of signatures leads from it to an authority. Looks at nothing else.
    func isSigned(byOneOf authorities: [Certificate], through others: some Collection<Certificate>) -> Bool {
        var current = self
        var left = Array(others)
        while true {
            if authorities.contains(where: { $0 == current || current.isSigned(by: $0) }) { return true }
            guard let next = left.firstIndex(where: { current.isSigned(by: $0) }) else { return false }
            current = left.remove(at: next)
        }
    }

    /// `2031-04-05 06:07:08 UTC`.
    package static func text(of date: Date) -> String {
        let style = Date.ISO8601FormatStyle(dateTimeSeparator: .space)
        return date.formatted(style).replacing("Z", with: " UTC")
    }
}
