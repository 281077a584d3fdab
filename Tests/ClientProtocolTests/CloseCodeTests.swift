// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Testing

@Suite("Close codes")
struct CloseCodeTests {
    @Test("The range says whether to connect again", arguments: CloseCode.allCases)
    func ranges(code: CloseCode) {
        switch code {
        case .normal, .shuttingDown, .heartbeatTimeout, .overloaded, .authenticationTimeout, .internal:
            #expect(code.mayReconnect)
        case .protocolError, .invalidText, .messageTooBig, .invalidToken, .replaced, .binaryMessage, .tooManyErrors,
            .tokenExpired, .tooManyDevices, .textMessage:
            #expect(!code.mayReconnect)
        }
    }

    @Test("A reason fits into a control frame", arguments: CloseCode.allCases)
    func reasons(code: CloseCode) {
        #expect(code.reason.utf8.count <= 123)
    }

    @Test("Names differ")
    func names() {
        #expect(Set(CloseCode.allCases.map(\.name)).count == CloseCode.allCases.count)
    }
}
