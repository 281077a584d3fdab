// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Operations

@Suite("The README")
struct ReadmeTests {
    @Test("Its table of commands names exactly the verbs of the registry")
    func verbs() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = folder.deletingLastPathComponent().appendingPathComponent("README.md")
        let told = VerbTests.verbs(inReadme: try String(contentsOf: file, encoding: .utf8))
        let commands = OperatorVerb.all.filter(\.isCommand).map(\.name)
        #expect(Set(told).count == told.count, "some are told twice")
        #expect(Set(commands).subtracting(told).isEmpty, "verbs that the README does not tell")
        #expect(Set(told).subtracting(commands).isEmpty, "commands that the registry does not know")
    }
}
