// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOSSL
import TransportSecurity

/// An authority of a test, and what it signs.
package struct TestAuthority: Sendable {
    private let authority: DevelopmentAuthority

    package init() throws {
        self.authority = try DevelopmentAuthority(days: 1000, now: Date() - 500 * 86_400)
    }

    package func texts(for node: CertifiedNode, days: Int = 1, now: Date = Date()) throws -> CertificateTexts {
        let hosts: [DevelopmentAuthority.Host] = [.name("localhost"), .address([127, 0, 0, 1])]
        let issued = try self.authority.issue(for: node, hosts: hosts, days: days, now: now)
        return CertificateTexts(
            certificate: try issued.certificatePEM(),
            privateKey: try issued.privateKeyPEM(),
            authority: try self.authority.issued.certificatePEM()
        )
    }

    /// - Parameter now: When they were made; what has expired since then is shown all the same.
    package func set(for node: CertifiedNode, days: Int = 1, now: Date = Date()) throws -> CertificateSet {
        try CertificateSet(self.texts(for: node, days: days, now: now), now: now)
    }

    package func live(
        _ use: LiveCertificates.Use,
        for node: CertifiedNode,
        days: Int = 1,
        now: Date = Date()
    ) throws -> LiveCertificates {
        try LiveCertificates(use, self.set(for: node, days: days, now: now))
    }

    /// Of a client that believes this authority and nobody else.
    package func clientContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        let pem = try self.authority.issued.certificatePEM()
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)))
        return try NIOSSLContext(configuration: configuration)
    }
}
