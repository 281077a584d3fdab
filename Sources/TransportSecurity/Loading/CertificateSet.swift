// SPDX-License-Identifier: Apache-2.0

import Foundation
import SwiftASN1
import X509

/// A chain of certificates, its private key, and whom to believe: read, and seen to fit together. A value.
package struct CertificateSet: Sendable {
    /// The own certificate first.
    package let chain: [Certificate]
    package let privateKey: Certificate.PrivateKey
    /// Empty when the other side shows nothing.
    package let authorities: [Certificate]

    package var leaf: Certificate { self.chain[0] }

    /// When the first of the chain stops being valid: from then on it is refused.
    package var expires: Date { self.chain.map(\.notValidAfter).min() ?? self.leaf.notValidAfter }

    /// - Parameters:
    ///   - node: whom the certificate has to name; nil when it names none, as those for clients.
    ///   - now: what it has to be valid at.
    package init(_ texts: CertificateTexts, naming node: CertifiedNode? = nil, now: Date) throws(CertificateProblem) {
        self.chain = try Self.certificates(texts.certificate, .certificate)
        self.privateKey = try Self.privateKey(texts.privateKey)
        self.authorities =
            try texts.authority.map { text throws(CertificateProblem) in
                try Self.certificates(text, .authority)
            } ?? []
        try self.checkKey()
        for certificate in self.chain { try Self.checkTime(of: certificate, .certificate, now: now) }
        if !self.authorities.isEmpty {
            try self.checkAuthorities(now: now)
        }
        if let node { try self.checkName(node) }
    }

    /// All the certificates of a PEM file, in order; at least one.
    package static func certificates(
        _ text: String,
        _ part: CertificateProblem.Part
    ) throws(CertificateProblem) -> [Certificate] {
        do {
            let documents = try PEMDocument.parseMultiple(pemString: text)
            let certificates = try documents.filter { $0.discriminator == Certificate.defaultPEMDiscriminator }
                .map { try Certificate(pemDocument: $0) }
            if !certificates.isEmpty { return certificates }
        } catch {
            throw CertificateProblem(
                part,
                "the file holds no certificate that can be read: \(error)",
                remedy: "see `trunkline certs show FILE`"
            )
        }
        throw CertificateProblem(
            part,
            "there is no certificate in the file",
            remedy: "name a PEM file that has -----BEGIN CERTIFICATE----- in it"
        )
    }

    private static func privateKey(_ text: String) throws(CertificateProblem) -> Certificate.PrivateKey {
        do {
            let documents = try PEMDocument.parseMultiple(pemString: text)
            // OpenSSL writes the parameters of a curve in front of its keys.
            if let document = documents.first(where: { $0.discriminator.hasSuffix("PRIVATE KEY") }) {
                return try Certificate.PrivateKey(pemDocument: document)
            }
        } catch {
            throw CertificateProblem(
                .privateKey,
                "the file holds no private key that can be read: \(error)",
                remedy: "use a P-256, P-384, P-521, Ed25519 or RSA key without a passphrase, as PEM"
            )
        }
        throw CertificateProblem(
            .privateKey,
            "there is no private key in the file",
            remedy: "name a PEM file that has -----BEGIN PRIVATE KEY----- in it"
        )
    }

    // MARK: - Checks

    private func checkKey() throws(CertificateProblem) {
        let key = self.privateKey.publicKey
        guard self.leaf.publicKey != key else { return }
        let isLater = self.chain.contains { $0.publicKey == key }
        throw CertificateProblem(
            .privateKey,
            isLater
                ? "it belongs to another certificate of the chain than the first"
                : "it does not belong to the certificate of \(self.leaf.shortName)",
            remedy: isLater ? "put the own certificate first" : "name the key that the certificate was made with"
        )
    }

    private static func checkTime(
        of certificate: Certificate,
        _ part: CertificateProblem.Part,
        now: Date
    ) throws(CertificateProblem) {
        if let doubt = certificate.doubtAboutTime(now: now) {
            throw CertificateProblem(
                part,
                doubt,
                remedy: now > certificate.notValidAfter
                    ? "put a new one in its place"
                    : "check this machine's clock, or wait until then"
            )
        }
    }

    /// Whether the chain leads to one of the authorities. Peers verify it in full; this tells the mistake before they do.
    private func checkAuthorities(now: Date) throws(CertificateProblem) {
        if self.authorities.allSatisfy({ $0.doubtAboutTime(now: now) != nil }) {
            try Self.checkTime(of: self.authorities[0], .authority, now: now)
        }
        if let wrong = self.authorities.first(where: { !$0.maySign }) {
            throw CertificateProblem(
                .authority,
                "\(wrong.shortName) is no authority",
                remedy: "name the file of the certificate that signed the others"
            )
        }
        guard self.leaf.isSigned(byOneOf: self.authorities, through: self.chain.dropFirst()) else {
            throw CertificateProblem(
                .certificate,
                "the certificate of \(self.leaf.shortName) is not signed by the authority, "
                    + self.authorities.map(\.shortName).joined(separator: " or ") + ", but by \(self.leaf.issuer)",
                remedy: "use a certificate of this authority, or add the one that signed it to the authority's file"
            )
        }
        guard self.leaf.mayBeUsedByBothSides else {
            throw CertificateProblem(
                .certificate,
                "the certificate of \(self.leaf.shortName) may not be used by both sides of a connection",
                remedy: "make one with the extended key usages serverAuth and clientAuth"
            )
        }
    }

    private func checkName(_ node: CertifiedNode) throws(CertificateProblem) {
        let names = self.leaf.certifiedNodes
        guard !names.contains(node) else { return }
        throw CertificateProblem(
            .certificate,
            names.isEmpty
                ? "the certificate of \(self.leaf.shortName) names no node"
                : "it is the certificate of \(names.map(\.uri).joined(separator: ", ")), and this is \(node)",
            remedy: "make one with the URI \(node) among its names: `trunkline certs node \(node.node)`"
        )
    }
}
