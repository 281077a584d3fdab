// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import TransportSecurity
import X509

@Suite("The development authority")
struct AuthorityTests {
    @Test("The extensions of both kinds of certificates")
    func extensions() throws {
        let authority = try Fixture.authority()
        let own = authority.issued.certificate.extensions
        #expect(try own.basicConstraints == .isCertificateAuthority(maxPathLength: 0))
        #expect(try own.keyUsage == KeyUsage(keyCertSign: true, cRLSign: true))
        let issued = try authority.issue(
            for: Fixture.node,
            hosts: [.name("chat.example.org"), .address([192, 0, 2, 7])],
            days: 5,
            now: Fixture.now
        )
        let leaf = issued.certificate.extensions
        #expect(try leaf.basicConstraints == .notCertificateAuthority)
        #expect(try leaf.keyUsage == KeyUsage(digitalSignature: true))
        #expect(try leaf.extendedKeyUsage.map(Array.init) == [.serverAuth, .clientAuth])
        #expect(try leaf.authorityKeyIdentifier?.keyIdentifier == own.subjectKeyIdentifier?.keyIdentifier)
        #expect(leaf.filter(\.critical).count == 2)
        let summary = CertificateSummary(issued.certificate, now: Fixture.now).lines
        #expect(summary.contains("names        trunkline://test/router-1, chat.example.org, 192.0.2.7"))
        #expect(summary.contains { $0.hasSuffix("(5 days left)") })
        #expect(summary.contains("may          serve, connect"))
        #expect(summary.contains("key          P256.PublicKey"))
    }

    @Test("No certificate outlives its authority")
    func outlives() throws {
        let authority = try Fixture.authority(days: 3)
        let issued = try authority.issue(for: Fixture.node, hosts: [], days: 30, now: Fixture.now)
        #expect(issued.certificate.notValidAfter == authority.issued.certificate.notValidAfter)
    }

    @Test("An authority that was read again signs as before")
    func again() throws {
        let issued = try Fixture.authority().issued
        let again = try DevelopmentAuthority(
            certificatePEM: issued.certificatePEM(),
            privateKeyPEM: issued.privateKeyPEM(),
            now: Fixture.now
        )
        var texts = try Fixture.texts(again)
        texts.authority = try issued.certificatePEM()
        #expect(Fixture.problem(texts) == nil)
    }

    @Test("What is shown of a file holds no private key")
    func shown() throws {
        let texts = try Fixture.texts(Fixture.authority())
        let text = try CertificateSummary.text(ofPEM: texts.certificate + texts.privateKey, now: Fixture.now)
        #expect(text.contains("a private key, which is not shown"))
        let secret = texts.privateKey.split(separator: "\n")[1]
        #expect(!text.contains(secret))
        #expect(throws: CertificateProblem.self) { try CertificateSummary.text(ofPEM: "nothing", now: Fixture.now) }
    }

    @Test("Names and addresses of hosts")
    func hosts() {
        typealias Host = DevelopmentAuthority.Host
        #expect(Host("Chat.Example.org") == .name("chat.example.org"))
        #expect(Host("*.example.org") == .name("*.example.org"))
        #expect(Host("127.0.0.1") == .address([127, 0, 0, 1]))
        #expect(Host("::1") == .address([UInt8](repeating: 0, count: 15) + [1]))
        for text in ["", "a b", "http://a", "a:8201", "256.0.0.1", "-a", "a..b", "*", "a.*.b"] {
            #expect(Host(text) == nil, "\(text)")
        }
    }

    @Test("What tells contents of a file apart, through a symbolic link too")
    func stamps() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (file, link) = (folder + "/file", folder + "/link")
        #expect(SmallFile.stamp(of: file) == nil)
        try SmallFile.write([1, 2], to: file, mode: 0o600, replacing: false)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        let first = try #require(SmallFile.stamp(of: link))
        #expect(first == SmallFile.stamp(of: file))
        #expect(first.bytes == 2 && first.inode != 0 && first.modified != 0)
        try SmallFile.write([3, 4], to: file, mode: 0o600, replacing: true)
        #expect(SmallFile.stamp(of: link) != first)
    }

    @Test("Files are never overwritten by mistake, and keys are for their owner only")
    func files() throws {
        let parent = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: parent) }
        let folder = CertificateFolder(path: parent + "/")
        try folder.prepare(for: ["n"], replacing: false)
        // The mask of the process takes rights away, and gives none.
        let mask = umask(0)
        try folder.write("n", certificatePEM: "one", privateKeyPEM: "key", replacing: false)
        umask(mask)
        let rights = try FileManager.default.attributesOfItem(atPath: folder.privateKeyPath("n"))
        #expect(rights[.posixPermissions] as? Int == 0o600)
        #expect(throws: CertificateFolder.Problem.self) { try folder.prepare(for: ["m", "n"], replacing: false) }
        #expect(throws: CertificateFolder.Problem.self) {
            try folder.write("n", certificatePEM: "two", privateKeyPEM: "two", replacing: false)
        }
        #expect(try SmallFile.read(folder.certificatePath("n")) == Array("one".utf8))
        try folder.prepare(for: ["n"], replacing: true)
        try folder.write("n", certificatePEM: "two", privateKeyPEM: "two", replacing: true)
        #expect(try SmallFile.read(folder.certificatePath("n")) == Array("two".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: parent).sorted() == ["n.key", "n.pem"])
    }
}
