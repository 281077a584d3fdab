// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import SwiftASN1
import X509

/// What a person wants to know of a certificate, as lines of text.
package struct CertificateSummary: Sendable {
    package let lines: [String]

    package init(_ certificate: Certificate, now: Date) {
        let isOwnIssuer = certificate.issuer == certificate.subject
        var lines = [
            "subject      \(certificate.subject)",
            "signed by    \(isOwnIssuer ? "itself" : "\(certificate.issuer)")",
        ]
        let names = Self.names(of: certificate)
        if !names.isEmpty { lines.append("names        \(names.joined(separator: ", "))") }
        lines += [
            "valid from   \(Certificate.text(of: certificate.notValidBefore))",
            "valid until  \(Certificate.text(of: certificate.notValidAfter)) (\(Self.left(of: certificate, now: now)))",
            "may          \(Self.uses(of: certificate).joined(separator: ", "))",
            "key          \(certificate.publicKey)",
            "serial       \(certificate.serialNumber)",
        ]
        if let fingerprint = Self.fingerprint(of: certificate) { lines.append("SHA-256      \(fingerprint)") }
        self.lines = lines
    }

    /// The certificates of a PEM file, and what else stands in it. Never shows a private key.
    package static func text(ofPEM text: String, now: Date) throws(CertificateProblem) -> String {
        let documents = (try? PEMDocument.parseMultiple(pemString: text)) ?? []
        var parts: [String] = []
        for document in documents {
            if document.discriminator == Certificate.defaultPEMDiscriminator {
                do {
                    let certificate = try Certificate(pemDocument: document)
                    parts.append(CertificateSummary(certificate, now: now).lines.joined(separator: "\n"))
                } catch {
                    parts.append("a certificate that cannot be read: \(error)")
                }
            } else if document.discriminator.hasSuffix("PRIVATE KEY") {
                parts.append("a private key, which is not shown")
            } else {
                parts.append("something else: \(document.discriminator)")
            }
        }
        guard !parts.isEmpty else {
            throw CertificateProblem(.certificate, "the file holds no PEM", remedy: "name a file of certificates")
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    private static func names(of certificate: Certificate) -> [String] {
        guard let names = try? certificate.extensions.subjectAlternativeNames else { return [] }
        return names.map { name in
            switch name {
            case .dnsName(let name): name
            case .uniformResourceIdentifier(let uri): uri
            case .ipAddress(let address): addressText(address.bytes) ?? "\(address)"
            default: "\(name)"
            }
        }
    }

    private static func left(of certificate: Certificate, now: Date) -> String {
        if now < certificate.notValidBefore { return "not valid yet" }
        let days = Int(certificate.notValidAfter.timeIntervalSince(now) / 86_400)
        if now > certificate.notValidAfter { return "expired" }
        return days == 1 ? "1 day left" : "\(days) days left"
    }

    private static func uses(of certificate: Certificate) -> [String] {
        if certificate.maySign { return ["sign certificates"] }
        guard let usages = try? certificate.extensions.extendedKeyUsage else { return ["be used for anything"] }
        return usages.map { usage in
            switch usage {
            case .serverAuth: "serve"
            case .clientAuth: "connect"
            default: "\(usage)"
            }
        }
    }

    private static func fingerprint(of certificate: Certificate) -> String? {
        var serializer = DER.Serializer()
        guard (try? serializer.serialize(certificate)) != nil else { return nil }
        return SHA256.hash(data: serializer.serializedBytes).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return digits.count == 1 ? "0\(digits)" : digits
        }.joined(separator: ":")
    }
}
