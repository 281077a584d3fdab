// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Messaging
import Testing

@testable import Edge

@Suite("Access tokens")
struct AccountsTokenTests {
    static let secret = Array("a secret of thirty-two bytes....".utf8)
    static let user = UserID("0192f3a4-0000-7000-8000-000000000001") ?? .generate()
    static let device = DeviceID("0192f3a4-0000-7000-8000-000000000002") ?? .generate()
    static let now: UnixMilliseconds = 1_800_000_000_500

    static func tokens(
        secret: [UInt8] = Self.secret,
        issuer: String = "test",
        now: UnixMilliseconds = Self.now
    ) -> AccessTokens {
        AccessTokens(secret: secret, issuer: issuer, lifetime: .seconds(900), now: { now })
    }

    /// A token with any header and claims, signed as asked, made without the code under test.
    static func forged(
        header: String = #"{"alg":"HS256","typ":"JWT"}"#,
        payload: String,
        secret: [UInt8] = Self.secret
    ) -> String {
        func base64URL(_ data: Data) -> String {
            data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
        let signed = base64URL(Data(header.utf8)) + "." + base64URL(Data(payload.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: SymmetricKey(data: secret))
        return signed + "." + base64URL(Data(code))
    }

    static func payload(
        sub: String = "\"\(Self.user)\"",
        iss: String = "\"test\"",
        exp: String = "1800000900"
    ) -> String {
        #"{"sub":\#(sub),"dev":"\#(Self.device)","iss":\#(iss),"iat":1800000000,"exp":\#(exp)}"#
    }

    @Test("A token that was issued is good until it expires, to the millisecond")
    func roundTrip() throws {
        let token = try Self.tokens().issue(user: Self.user, device: Self.device)
        let claims = try Self.tokens().verify(accessToken: token)
        #expect(claims == AccessClaims(user: Self.user, device: Self.device, expiresAt: 1_800_000_900_000))
        #expect(try Self.tokens(now: 1_800_000_899_999).verify(accessToken: token) == claims)
        for late in [1_800_000_900_000, 1_900_000_000_000] as [UnixMilliseconds] {
            #expect(throws: Failure.self) { try Self.tokens(now: late).verify(accessToken: token) }
            #expect(Self.code(of: token, Self.tokens(now: late)) == .tokenExpired)
        }
    }

    @Test("A token made by an independent implementation is understood")
    func golden() throws {
        // Made with Python: base64.urlsafe_b64encode, hmac.new(secret, signed, hashlib.sha256).
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMTkyZjNhNC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJkZXY"
            + "iOiIwMTkyZjNhNC0wMDAwLTcwMDAtODAwMC0wMDAwMDAwMDAwMDIiLCJpc3MiOiJ0ZXN0IiwiaWF0IjoxODAwMDAwMDAwLCJleHAiOjE"
            + "4MDAwMDA5MDB9.pChvoVOphKOnDy82bAcWXa-kuj3OV-RFTSEjTXjQVI4"
        let claims = try Self.tokens().verify(accessToken: token)
        #expect(claims.user == Self.user)
        #expect(claims.device == Self.device)
    }

    @Test("Our own forging is good, so the refusals below have the reason that they name")
    func forgedControl() throws {
        #expect(try Self.tokens().verify(accessToken: Self.forged(payload: Self.payload())).user == Self.user)
    }

    private static let good = forged(payload: payload())
    private static let claims = String(good.split(separator: ".")[1])
    private static let unsigned = String(good.prefix { $0 != "." }) + "." + claims + "."

    private static let refusals: [(String, String)] = [
        ("no algorithm", forged(header: #"{"alg":"none","typ":"JWT"}"#, payload: payload())),
        ("no signature", unsigned),
        ("no algorithm and no signature", "eyJhbGciOiJub25lIn0." + claims + "."),
        ("another algorithm", forged(header: #"{"alg":"HS512","typ":"JWT"}"#, payload: payload())),
        ("no algorithm named", forged(header: #"{"typ":"JWT"}"#, payload: payload())),
        ("another secret", forged(payload: payload(), secret: Array("another secret of thirty-two....".utf8))),
        ("another issuer", forged(payload: payload(iss: "\"other\""))),
        ("no issuer", forged(payload: payload(iss: "null"))),
        ("a user that is no id", forged(payload: payload(sub: "\"root\""))),
        ("an expiry that is no time", forged(payload: payload(exp: "\"never\""))),
        ("an expiry before time began", forged(payload: payload(exp: "-5"))),
        ("an expiry beyond all numbers", forged(payload: payload(exp: "1e300"))),
        ("claims that are no JSON", forged(payload: "{")),
        ("a padded signature", good + "="),
        ("four parts", good + ".x"),
        ("nothing", ""),
        ("a dot", "."),
        ("garbage", "\u{0}\u{1}\u{2}"),
        ("too much", String(repeating: "a", count: 100_000)),
    ]

    @Test("Everything that is not a token of this cluster is unauthenticated", arguments: refusals)
    func refused(_ name: String, _ token: String) {
        #expect(Self.code(of: token, Self.tokens()) == .unauthenticated, "\(name)")
    }

    @Test("A token of which any one bit is changed is refused")
    func tampered() throws {
        let token = Array(try Self.tokens().issue(user: Self.user, device: Self.device).utf8)
        for index in token.indices {
            for bit in 0..<7 {
                var changed = token
                changed[index] ^= 1 << bit
                let text = String(decoding: changed, as: UTF8.self)
                #expect(Self.code(of: text, Self.tokens()) == .unauthenticated, "byte \(index), bit \(bit)")
            }
        }
    }

    private static func code(of token: String, _ tokens: AccessTokens) -> ErrorCode? {
        do {
            _ = try tokens.verify(accessToken: token)
            return nil
        } catch {
            return error.code
        }
    }
}

@Suite("Refresh tokens")
struct AccountsRefreshTokenTests {
    @Test("A token reads back as what it is, and names its user and device")
    func roundTrip() throws {
        let token = RefreshToken(user: .generate(), device: .generate())
        let read = try #require(RefreshToken(token.text))
        #expect(read == token)
        #expect(read.hash == token.hash)
        #expect(token.hash.count == 32)
        #expect(token.text.utf8.count == 86)
    }

    @Test("Two tokens of one device differ")
    func random() {
        let user = UserID.generate()
        let device = DeviceID.generate()
        #expect(RefreshToken(user: user, device: device).hash != RefreshToken(user: user, device: device).hash)
    }

    @Test("Other texts are no tokens")
    func refused() {
        let text = RefreshToken(user: .generate(), device: .generate()).text
        for other in ["", "x", String(text.dropLast()), text + "A", text + "=", text + "==", "+" + text.dropFirst()] {
            #expect(RefreshToken(other) == nil, "\(other)")
        }
    }
}

@Suite("Base64")
struct AccountsBase64Tests {
    @Test(
        "The vectors of RFC 4648 §10, without padding",
        arguments: [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ]
    )
    func vectors(_ plain: String, _ encoded: String) {
        #expect(Base64.encode(plain.utf8, .standard) == encoded)
        #expect(Base64.decode(encoded.utf8, .standard) == Array(plain.utf8))
    }

    @Test("The two alphabets differ in two symbols and do not mix")
    func alphabets() {
        let bytes: [UInt8] = [0xFB, 0xFF, 0xBF]
        #expect(Base64.encode(bytes, .standard) == "+/+/")
        #expect(Base64.encode(bytes, .url) == "-_-_")
        #expect(Base64.decode("+/+/".utf8, .url) == nil)
        #expect(Base64.decode("-_-_".utf8, .standard) == nil)
    }

    @Test("Random bytes survive, and no other text decodes to them")
    func random() {
        var generator = SystemRandomNumberGenerator()
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let text = Base64.encode(bytes, .url)
            #expect(Base64.decode(text.utf8, .url) == bytes)
        }
        for other in ["Zh", "Z", "Zg=", "Zg==", "Z g", "Zm9"] where other != "Zm8" {
            #expect(Base64.decode(other.utf8, .standard) == nil, "\(other)")
        }
    }
}
