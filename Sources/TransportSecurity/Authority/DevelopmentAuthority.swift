// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import SwiftASN1
import X509

/// An authority for development and small installations: one key in a file that signs the certificates of nodes.
///
/// It keeps no list of what it signed and takes nothing back. A value; makes certificates and touches no file.
package struct DevelopmentAuthority: Sendable {
    /// A certificate and the key that belongs to it.
    package struct Issued: Sendable {
        package var certificate: Certificate
        package var privateKey: Certificate.PrivateKey

        package func certificatePEM() throws -> String { try self.certificate.serializeAsPEM().pemString + "\n" }
        package func privateKeyPEM() throws -> String { try self.privateKey.serializeAsPEM().pemString + "\n" }
    }

    /// A host that a node is reached by, for its clients.
    package enum Host: Hashable, Sendable {
        case name(String)
        /// 4 or 16 bytes.
        case address([UInt8])
    }

    /// Clocks differ: a certificate is valid from this long before it was made.
    static let clockSlack: TimeInterval = 300

    private let own: Issued

    /// A new one.
    package init(days: Int, now: Date) throws {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let serial = Certificate.SerialNumber()
        // Two authorities with one name are told apart by nobody who reads a message about them.
        let mark = serial.bytes.prefix(4).map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0\(digits)" : digits
        }.joined()
        let name = try DistinguishedName { CommonName("Trunkline authority \(mark)") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: serial,
            publicKey: key.publicKey,
            notValidBefore: now - Self.clockSlack,
            notValidAfter: now + Self.time(days: days),
            issuer: name,
            subject: name,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: key.publicKey)
            },
            issuerPrivateKey: key
        )
        self.own = Issued(certificate: certificate, privateKey: key)
    }

    /// One that was made before.
    package init(certificatePEM: String, privateKeyPEM: String, now: Date) throws(CertificateProblem) {
        let texts = CertificateTexts(certificate: certificatePEM, privateKey: privateKeyPEM)
        let set = try CertificateSet(texts, now: now)
        guard set.leaf.maySign else {
            throw CertificateProblem(
                .certificate,
                "\(set.leaf.shortName) is no authority",
                remedy: "name the folder that `trunkline certs authority` wrote to"
            )
        }
        self.own = Issued(certificate: set.leaf, privateKey: set.privateKey)
    }

    package var issued: Issued { self.own }

    /// A certificate for one node: for both sides of the mesh, and for clients that reach it by one of `hosts`.
    ///
    /// It never outlives the authority, which would make it void without saying so.
    package func issue(for node: CertifiedNode, hosts: [Host], days: Int, now: Date) throws -> Issued {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let names =
            [GeneralName.uniformResourceIdentifier(node.uri)]
            + hosts.map { host in
                switch host {
                case .name(let name): .dnsName(name)
                case .address(let bytes): .ipAddress(ASN1OctetString(contentBytes: bytes[...]))
                }
            }
        let issuer = self.own.certificate
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: now - Self.clockSlack,
            notValidAfter: min(now + Self.time(days: days), issuer.notValidAfter),
            issuer: issuer.subject,
            subject: try DistinguishedName {
                OrganizationName(node.cluster)
                CommonName(node.node)
            },
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                SubjectAlternativeNames(names)
                SubjectKeyIdentifier(hash: key.publicKey)
                AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: issuer.publicKey).keyIdentifier)
            },
            issuerPrivateKey: self.own.privateKey
        )
        return Issued(certificate: certificate, privateKey: key)
    }

    private static func time(days: Int) -> TimeInterval { TimeInterval(days) * 86_400 }
}
