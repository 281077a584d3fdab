// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Operations
import Testing
import Wire

@Suite("Who may give orders, and what an order is")
struct AdminTests {
    private let tokens = AdminTokens(read: Secret("read only, long enough"), operate: Secret("operate, long enough"))

    @Test("The role is that of the secret that is shown")
    func roles() {
        #expect(self.tokens.role(of: "Bearer operate, long enough") == .operate)
        #expect(self.tokens.role(of: "bearer read only, long enough") == .read)
        for wrong in [nil, "", "Bearer", "Bearer ", "Basic operate, long enough", "operate, long enough"] {
            #expect(self.tokens.role(of: wrong) == nil)
        }
        for wrong in ["operate, long enougH", "operate, long enough ", "operate", ""] {
            #expect(self.tokens.role(of: "Bearer \(wrong)") == nil, "\(wrong)")
        }
    }

    @Test("One secret for both roles is that of the one who may do more; without any it is off")
    func same() {
        let secret = Secret("one secret for all")
        #expect(AdminTokens(read: secret, operate: secret).role(of: "Bearer one secret for all") == .operate)
        let off = AdminTokens(read: nil, operate: nil)
        #expect(off.isOff && off.role(of: "Bearer ") == nil)
    }

    @Test("What the command line writes the interface reads")
    func roundTrip() throws {
        for order in [
            NodeOrder(.drain, rate: 7, windowMilliseconds: 0),
            NodeOrder(.undrain),
            NodeOrder(.shed, count: 12, targets: ["10.0.0.1:80", "[fd00::1]:81"]),
        ] {
            #expect(try NodeOrder(order.verb, json: Array(order.json.utf8)) == order)
        }
    }

    @Test("An empty body is the standard, and wrong ones say what would be right")
    func bodies() throws {
        let order = try NodeOrder(.drain, json: [])
        #expect(order == NodeOrder(.drain) && order.message == OperateNode(.drain, rate: 100, windowMilliseconds: 1000))
        for body in [
            "{", "[]", #"{"rate":0}"#, #"{"rate":1.5}"#, #"{"rate":1000001}"#, #"{"window_ms":-1}"#,
            #"{"window_ms":3600001}"#, #"{"count":4294967296}"#, #"{"targets":["nowhere"]}"#,
            #"{"targets":"10.0.0.1:80"}"#,
        ] {
            let error = #expect(throws: OperationsError.self) { try NodeOrder(.drain, json: Array(body.utf8)) }
            #expect(error?.remedy.isEmpty == false, "\(body)")
        }
        #expect(throws: OperationsError.self) { try NodeOrder(.shed, json: Array(#"{"rate":5}"#.utf8)) }
    }
}
