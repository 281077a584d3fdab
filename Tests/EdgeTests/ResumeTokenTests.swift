// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import Testing

@testable import Edge

private let oneLife = Incarnation(value: 100)
private let otherLife = Incarnation(value: 200)

@Suite("Resume tokens")
struct ResumeTokenTests {
    private let device = DeviceID(value: 5)

    @Test("A token is read back by its device, and by no other")
    func roundTrip() throws {
        let token = ResumeToken(positions: [oneLife: 7, otherLife: UInt64.max])
        let text = try #require(token.text(for: self.device))
        #expect(ResumeToken(text, of: self.device) == token)
        #expect(ResumeToken(text, of: DeviceID(value: 6)) == nil)
        #expect(ResumeToken(positions: [:]).text(for: self.device) == nil)
    }

    @Test("The largest fits the bound of the protocol, and a larger one is not given")
    func bounds() throws {
        func token(_ count: Int) -> ResumeToken {
            ResumeToken(
                positions: Dictionary(uniqueKeysWithValues: (1...count).map { (Incarnation(value: UInt128($0)), 1) })
            )
        }
        let text = try #require(token(ResumeToken.livesMax).text(for: self.device))
        #expect(text.utf8.count <= SyncRequest.resumeBytesMax)
        #expect(token(ResumeToken.livesMax + 1).text(for: self.device) == nil)
    }

    @Test("What is cut off, changed or made up is no token")
    func forged() throws {
        let text = try #require(ResumeToken(positions: [oneLife: 7]).text(for: self.device))
        for count in 0..<text.count { #expect(ResumeToken(String(text.prefix(count)), of: self.device) == nil) }
        for place in text.indices {
            var changed = text
            changed.replaceSubrange(place...place, with: text[place] == "A" ? "B" : "A")
            #expect(ResumeToken(changed, of: self.device) == nil)
        }
        #expect(ResumeToken("ü", of: self.device) == nil)
    }
}
