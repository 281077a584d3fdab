// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TransportSecurity

@Suite("Certificates that fit together, and those that do not")
struct CertificateSetTests {
    @Test("What an authority makes fits")
    func fits() throws {
        let set = try CertificateSet(Fixture.texts(Fixture.authority()), naming: Fixture.node, now: Fixture.now)
        #expect(set.leaf.certifiedNodes == [Fixture.node])
        #expect(set.expires == Fixture.now + 10 * Fixture.day)
        _ = try LiveCertificates(.mesh, set)
        _ = try LiveCertificates(.clients, set)
    }

    @Test("The key has to belong to the certificate")
    func foreignKey() throws {
        let authority = try Fixture.authority()
        var texts = try Fixture.texts(authority)
        texts.privateKey = try Fixture.texts(authority).privateKey
        let problem = try #require(Fixture.problem(texts))
        #expect(problem.part == .privateKey)
        #expect(problem.message.contains("does not belong to the certificate of trunkline://test/router-1"))
    }

    @Test("The own certificate stands first")
    func order() throws {
        let authority = try Fixture.authority()
        var texts = try Fixture.texts(authority)
        texts.certificate = (texts.authority ?? "") + texts.certificate
        let problem = try #require(Fixture.problem(texts))
        #expect(problem.remedy == "put the own certificate first")
        var chain = try Fixture.texts(authority)
        chain.certificate += chain.authority ?? ""
        #expect(Fixture.problem(chain) == nil)
    }

    @Test("Expired, and not valid yet")
    func time() throws {
        let texts = try Fixture.texts(Fixture.authority())
        let late = try #require(Fixture.problem(texts, now: Fixture.now + 11 * Fixture.day))
        #expect(late.part == .certificate)
        #expect(late.message.contains("has expired, on 2030-03-27 17:46:40 UTC"))
        let early = try #require(Fixture.problem(texts, now: Fixture.now - Fixture.day))
        #expect(early.message.contains("is valid only from"))
        #expect(Fixture.problem(texts, now: Fixture.now - 60) == nil)
    }

    @Test("An authority that has expired")
    func authorityTime() throws {
        var texts = try Fixture.texts(Fixture.authority())
        let old = try Fixture.authority(days: 1, now: Fixture.now - 3 * Fixture.day)
        texts.authority = try old.issued.certificatePEM()
        let problem = try #require(Fixture.problem(texts))
        #expect(problem.part == .authority)
        #expect(problem.message.contains("has expired"))
    }

    @Test("A certificate of another authority, although it has the same kind of name")
    func otherAuthority() throws {
        var texts = try Fixture.texts(Fixture.authority())
        texts.authority = try Fixture.authority().issued.certificatePEM()
        let problem = try #require(Fixture.problem(texts))
        #expect(problem.part == .certificate)
        #expect(problem.message.contains("is not signed by the authority"))
    }

    @Test("Two authorities in one file, as while one follows the other")
    func twoAuthorities() throws {
        var texts = try Fixture.texts(Fixture.authority())
        texts.authority = try Fixture.authority().issued.certificatePEM() + (texts.authority ?? "")
        #expect(Fixture.problem(texts) == nil)
    }

    @Test("A node's certificate is no authority")
    func noAuthority() throws {
        var texts = try Fixture.texts(Fixture.authority())
        texts.authority = texts.certificate
        let problem = try #require(Fixture.problem(texts))
        #expect(problem.part == .authority)
        #expect(problem.message.contains("is no authority"))
        #expect(throws: CertificateProblem.self) {
            _ = try DevelopmentAuthority(
                certificatePEM: texts.certificate,
                privateKeyPEM: texts.privateKey,
                now: Fixture.now
            )
        }
    }

    @Test("Another node, and another cluster")
    func names() throws {
        let authority = try Fixture.authority()
        for other in [CertifiedNode(cluster: "test", node: "router-2"), CertifiedNode(cluster: "t", node: "router-1")] {
            let problem = try #require(Fixture.problem(try Fixture.texts(authority, for: other)))
            #expect(problem.message == "it is the certificate of \(other), and this is trunkline://test/router-1")
        }
    }

    @Test("What is no PEM, or lacks what is looked for", arguments: ["", "nonsense", "-----BEGIN CERTIFICATE-----\n"])
    func noPEM(text: String) throws {
        let good = try Fixture.texts(Fixture.authority())
        var texts = good
        texts.certificate = text
        #expect(Fixture.problem(texts)?.part == .certificate)
        texts = good
        texts.privateKey = text
        #expect(Fixture.problem(texts)?.part == .privateKey)
        texts = good
        texts.authority = text
        #expect(Fixture.problem(texts)?.part == .authority)
        texts = good
        texts.privateKey = good.certificate
        #expect(Fixture.problem(texts)?.message == "there is no private key in the file")
    }

    @Test("Names of nodes as URIs")
    func uris() {
        #expect(CertifiedNode(uri: "trunkline://a/b-1") == CertifiedNode(cluster: "a", node: "b-1"))
        for text in [
            "", "trunkline://", "trunkline://a", "trunkline://a/", "trunkline:///b", "trunkline://a/b/c", "https://a/b",
        ] {
            #expect(CertifiedNode(uri: text) == nil, "\(text)")
        }
        #expect(CertifiedNode.named(inDER: [1, 2, 3]) == [])
    }
}
