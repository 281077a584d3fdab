// SPDX-License-Identifier: Apache-2.0

/// The files of one use of certificates.
package struct CertificateFiles: Hashable, Sendable {
    /// PEM: the own certificate first, then those between it and its authority.
    package var certificate: String
    package var privateKey: String
    /// Those who sign what the other side has to show; nil when it shows nothing.
    package var authority: String?

    package init(certificate: String, privateKey: String, authority: String? = nil) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.authority = authority
    }

    package var paths: [String] {
        [self.certificate, self.privateKey] + (self.authority.map { [$0] } ?? [])
    }

    /// One for each of ``paths``.
    package var stamps: [SmallFile.Stamp?] { self.paths.map { SmallFile.stamp(of: $0) } }

    /// What stands in them. Blocking.
    package func read() throws(CertificateProblem) -> CertificateTexts {
        var texts = CertificateTexts(
            certificate: try Self.text(self.certificate, .certificate),
            privateKey: try Self.text(self.privateKey, .privateKey)
        )
        if let authority = self.authority { texts.authority = try Self.text(authority, .authority) }
        return texts
    }

    private static func text(_ path: String, _ part: CertificateProblem.Part) throws(CertificateProblem) -> String {
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path)
        } catch {
            let remedy =
                error.isMissing
                ? "mend the path, or make the file: `trunkline certs --help`"
                : "mend the path or its rights"
            throw CertificateProblem(part, error.message, remedy: remedy)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CertificateProblem(
                part,
                "\(path) is not text",
                remedy: "convert it to PEM: `openssl x509 -inform der`"
            )
        }
        return text
    }
}

/// PEM.
package struct CertificateTexts: Hashable, Sendable {
    package var certificate: String
    package var privateKey: String
    package var authority: String?

    package init(certificate: String, privateKey: String, authority: String? = nil) {
        self.certificate = certificate
        self.privateKey = privateKey
        self.authority = authority
    }
}
