// SPDX-License-Identifier: Apache-2.0

import Foundation
import TransportSecurity

/// Certificates as tests need them.
enum Fixture {
    static let now = Date(timeIntervalSince1970: 1_900_000_000)
    static let day: TimeInterval = 86_400
    static let node = CertifiedNode(cluster: "test", node: "router-1")

    static func authority(days: Int = 100, now: Date = Fixture.now) throws -> DevelopmentAuthority {
        try DevelopmentAuthority(days: days, now: now)
    }

    static func texts(
        _ authority: DevelopmentAuthority,
        for node: CertifiedNode = Fixture.node,
        days: Int = 10
    ) throws -> CertificateTexts {
        let issued = try authority.issue(for: node, hosts: [.name("localhost")], days: days, now: Self.now)
        return CertificateTexts(
            certificate: try issued.certificatePEM(),
            privateKey: try issued.privateKeyPEM(),
            authority: try authority.issued.certificatePEM()
        )
    }

    /// What speaks against the texts, or nil.
    static func problem(
        _ texts: CertificateTexts,
        naming node: CertifiedNode? = Fixture.node,
        now: Date = Fixture.now
    ) -> CertificateProblem? {
        do {
            _ = try CertificateSet(texts, naming: node, now: now)
            return nil
        } catch {
            return error
        }
    }
}
