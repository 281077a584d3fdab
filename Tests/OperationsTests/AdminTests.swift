// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Storage
import Testing
import Wire

@testable import Operations

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
            NodeOrder(.drain, isTrial: true, allowsGap: true),
            NodeOrder(.undrain, operatorName: "anna@ops-1"),
            NodeOrder(.shed, count: 12, targets: ["10.0.0.1:80", "[fd00::1]:81"]),
        ] {
            #expect(try NodeOrder(order.verb, json: Array(order.json.utf8)) == order)
        }
    }

    @Test("How a node is, also as a router of an older version tells it")
    func condition() throws {
        let condition = NodeCondition("edge-1", NodeReport(state: .serving, sessions: 3, shedding: 2, obstacles: ["x"]))
        #expect(try NodeCondition(json: condition.json()) == condition)
        let older =
            #"{"asked":1,"node":"edge-1","obstacles":[],"safe_to_remove":true,"sessions":3,"slots":0,"state":"draining"}"#
        let read = try NodeCondition(json: older)
        #expect(read.shedding == nil && read.sessions == 3 && read.safeToRemove)
    }

    @Test("The log has who gave an order, about which node, and on which terms")
    func logEntry() {
        let drain = NodeOrder(.drain, rate: 7, windowMilliseconds: 500, operatorName: "anna@ops-1")
        #expect(
            drain.logEntry(of: "edge-1", at: 5)
                == OperatorLogEntry(
                    at: 5,
                    operatorName: "anna@ops-1",
                    action: "drain",
                    detail: "edge-1, 7 in a second, each within 500 ms"
                )
        )
        let undrain = NodeOrder(.undrain).logEntry(of: "router-1", at: 6)
        #expect(undrain.detail == "router-1" && undrain.operatorName == "somebody who gave no name")
        #expect(NodeOrder(.shed, count: 0).logEntry(of: "edge-2", at: 7).detail == "edge-2, nobody more")
        #expect(NodeOrder(.shed, count: 9).logEntry(of: "edge-2", at: 7).detail.hasPrefix("edge-2, 9 sessions, 100 in"))
    }

    @Test("The logs of all shards are one, oldest first, and an order that stands in several is there once")
    func merging() throws {
        func entry(_ at: UInt64, _ action: String) -> OperatorLogEntry {
            OperatorLogEntry(at: at, operatorName: "anna@ops-1", action: action, detail: "d")
        }
        let logs = [
            "shard-1": [entry(1_800_000_000_000, "drain"), entry(1_800_000_000_007, "shard add")],
            "shard-2": [entry(1_800_000_000_007, "shard add"), entry(1_800_000_000_003, "undrain")],
            "shard-3": [],
        ]
        let log = OrderLog(logs, last: 10)
        #expect(log.entries.map(\.action) == ["drain", "undrain", "shard add"])
        #expect(log.entries.map(\.shards) == [["shard-1"], ["shard-2"], ["shard-1", "shard-2"]])
        #expect(log.entries.last?.at == "2027-01-15T08:00:00.007Z")
        #expect(OrderLog(logs, last: 2).entries.map(\.action) == ["undrain", "shard add"])
        #expect(log.text().contains("anna@ops-1  shard add  d       shard-1, shard-2"))
        #expect(try log.json().contains(#""operator" : "anna@ops-1""#))
        #expect(OrderLog([:], last: 5).text() == "No order is in the log.")
    }

    @Test("An empty body is the standard, and wrong ones say what would be right")
    func bodies() throws {
        let order = try NodeOrder(.drain, json: [])
        #expect(order == NodeOrder(.drain) && order.message == OperateNode(.drain, rate: 100, windowMilliseconds: 1000))
        for body in [
            "{", "[]", #"{"rate":0}"#, #"{"rate":1.5}"#, #"{"rate":1000001}"#, #"{"window_ms":-1}"#,
            #"{"window_ms":3600001}"#, #"{"count":4294967296}"#, #"{"targets":["nowhere"]}"#,
            #"{"targets":"10.0.0.1:80"}"#, #"{"operator":""}"#, #"{"operator":"a\nb"}"#, #"{"operator":7}"#,
            #"{"operator":"\#(String(repeating: "ä", count: 101))"}"#,
        ] {
            let error = #expect(throws: OperationsError.self) { try NodeOrder(.drain, json: Array(body.utf8)) }
            #expect(error?.remedy.isEmpty == false, "\(body)")
        }
        #expect(throws: OperationsError.self) { try NodeOrder(.shed, json: Array(#"{"rate":5}"#.utf8)) }
    }
}
