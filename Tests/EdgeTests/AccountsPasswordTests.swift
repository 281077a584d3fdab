// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing

@testable import Edge

@Suite("Passwords")
struct AccountsPasswordTests {
    private static let cheap = ScryptCost(log2N: 4, blockSize: 8, parallelism: 1)

    @Test("The vectors of RFC 7914 §12 with a password and a salt")
    func vectors() throws {
        let second = try PasswordHash.derive(
            password: Array("password".utf8),
            salt: Array("NaCl".utf8),
            cost: ScryptCost(log2N: 10, blockSize: 8, parallelism: 16),
            count: 64
        )
        #expect(
            second.hexadecimal
                == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
        )
        let third = try PasswordHash.derive(
            password: Array("pleaseletmein".utf8),
            salt: Array("SodiumChloride".utf8),
            cost: ScryptCost(log2N: 14, blockSize: 8, parallelism: 1),
            count: 64
        )
        #expect(
            third.hexadecimal
                == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        )
    }

    @Test("A hash survives as text, matches its password and no other")
    func roundTrip() throws {
        let hash = try PasswordHash(password: Array("correct horse".utf8), cost: Self.cheap)
        #expect(hash.text.hasPrefix("$scrypt$ln=4,r=8,p=1$"))
        let read = try #require(PasswordHash(hash.text))
        #expect(read == hash)
        #expect(try read.matches(password: Array("correct horse".utf8)))
        #expect(try !read.matches(password: Array("correct horsf".utf8)))
    }

    @Test("The same password gets another salt each time")
    func salt() throws {
        let one = try PasswordHash(password: Array("password".utf8), cost: Self.cheap)
        let other = try PasswordHash(password: Array("password".utf8), cost: Self.cheap)
        #expect(one.salt != other.salt)
        #expect(one.hash != other.hash)
    }

    @Test("A hash of the RFC's third vector is read, whatever the cost is by now")
    func oldCost() async throws {
        let stored =
            "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU"
            + "$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw"
        let hasher = PasswordHasher(cost: Self.cheap, concurrent: 1, queuedMax: 1)
        #expect(try await hasher.verify(password: "pleaseletmein", against: stored))
        #expect(try await !hasher.verify(password: "pleaseletmeout", against: stored))
        await hasher.shutdown()
    }

    @Test(
        "Other texts are no hashes",
        arguments: [
            "", "$scrypt$", "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ",
            "$argon2id$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=4,r=8$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$r=8,ln=4,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=25,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=4,r=999,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=20,r=16,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=-4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "$scrypt$ln=4,r=8,p=1$$aGFzaGhhc2hoYXNoaGFzaA", "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$",
            "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ=$aGFzaGhhc2hoYXNoaGFzaA",
            "x$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        ]
    )
    func malformed(_ text: String) {
        #expect(PasswordHash(text) == nil)
    }

    @Test("The text that the malformed ones above are variations of is a hash")
    func malformedControl() {
        #expect(PasswordHash("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA") != nil)
    }

    @Test("Without a stored hash the answer is no")
    func unknown() async throws {
        let hasher = PasswordHasher(cost: Self.cheap, concurrent: 1, queuedMax: 1)
        #expect(try await !hasher.verify(password: "anything", against: nil))
        #expect(try await !hasher.verify(password: "anything", against: "not a hash"))
        await hasher.shutdown()
    }

    @Test("Beyond its threads and its queue the pool refuses and says how long to wait")
    func bound() async throws {
        let costly = ScryptCost(log2N: 15, blockSize: 8, parallelism: 1)
        let hasher = PasswordHasher(cost: costly, concurrent: 1, queuedMax: 2)
        let outcomes = await withTaskGroup(of: Result<String, Failure>.self) { group in
            for _ in 0..<12 {
                group.addTask {
                    do throws(Failure) {
                        return .success(try await hasher.hash(password: "password"))
                    } catch {
                        return .failure(error)
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let refusals = outcomes.compactMap { outcome -> Failure? in
            guard case .failure(let failure) = outcome else { return nil }
            return failure
        }
        #expect(outcomes.count - refusals.count >= 3)
        #expect(!refusals.isEmpty)
        #expect(refusals.allSatisfy { $0.code == .overloaded && ($0.retryAfterMilliseconds ?? 0) > 0 })
        #expect(hasher.depth == 0)
        await hasher.shutdown()
        await #expect(throws: Failure.self) { try await hasher.hash(password: "password") }
    }
}

@Suite("Rules of accounts")
struct AccountsRulesTests {
    @Test("Names are folded in ASCII and nowhere else")
    func usernames() throws {
        #expect(try AccountRules.username("Ada.Lovelace-1_x") == "ada.lovelace-1_x")
        #expect(try AccountRules.username("abc") == "abc")
        #expect(try AccountRules.username(String(repeating: "a", count: 32)).count == 32)
        // U+212A KELVIN SIGN would become `k` with Unicode's folding.
        for bad in ["", "ab", String(repeating: "a", count: 33), "a b c", "älva", "\u{212A}ate", "a/b/c", "abc\u{0}"] {
            #expect(throws: Failure.self, "\(bad)") { try AccountRules.username(bad) }
        }
    }

    @Test("Bounds of texts are in bytes, and control characters are refused")
    func lines() throws {
        #expect(try AccountRules.displayName("Ada 🚂") == "Ada 🚂")
        #expect(try AccountRules.title("") == "")
        for bad in ["", String(repeating: "é", count: 65), "a\u{0}b", "a\nb", "a\u{85}b"] {
            #expect(throws: Failure.self, "\(bad)") { try AccountRules.displayName(bad) }
        }
        #expect(throws: Failure.self) { try AccountRules.deviceType("fridge") }
        #expect(throws: Failure.self) { try AccountRules.newPassword("seven77") }
        #expect(throws: Failure.self) { try AccountRules.newPassword(String(repeating: "x", count: 257)) }
        #expect(throws: Never.self) { try AccountRules.newPassword("eight888") }
        #expect(throws: Failure.self) { try AccountRules.presentedPassword("") }
    }
}

extension [UInt8] {
    fileprivate var hexadecimal: String {
        self.map { String($0 >> 4, radix: 16) + String($0 & 0xF, radix: 16) }.joined()
    }
}
