// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Storage
import Testing
import Wire

@testable import Operations

@Suite("Whether a node may be removed")
struct RemovalTests {
    private static let lease = NodeLease(
        name: "edge-3",
        incarnation: .generate(),
        role: .edge,
        state: .ready,
        meshAddress: nil,
        httpAddress: "10.0.0.1:80",
        version: "1",
        since: 1_800_000_000_000
    )

    /// Of a node that died a while ago.
    private var dead: RemovalGate {
        RemovalGate(
            node: "edge-3",
            record: .lease(Self.lease, timeLeft: .seconds(30)),
            isLeaseStale: true,
            isListed: false,
            isInLog: false,
            witnesses: ["router-1": .noLink, "router-2": .noLink],
            presence: .nothing,
            seats: ["shard-1": .none, "shard-2": .none]
        )
    }

    private func refusal(_ change: (inout RemovalGate) -> Void) -> String? {
        var gate = self.dead
        change(&gate)
        do throws(OperationsError) {
            try gate.check()
            return nil
        } catch {
            #expect(!error.remedy.isEmpty && (error.kind == .refused || error.kind == .notFound))
            return "\(error)"
        }
    }

    private func report(_ state: NodeReport.State, _ obstacles: [String]) -> RemovalGate.Witness {
        .report(NodeCondition("edge-3", NodeReport(state: state, obstacles: obstacles)))
    }

    @Test("A dead one may go, whatever has become of its address, and without a lease there is nothing to do")
    func ended() {
        #expect(self.refusal { _ in } == nil)
        for presence in [RemovalGate.Presence.nothing, .stranger, .silent("no answer"), .unknown] {
            #expect(self.refusal { $0.presence = presence } == nil)
        }
        #expect(self.refusal { $0.record = .unreadable([1]) } == nil)
        let gone = self.refusal {
            $0.record = .none
            $0.isListed = true
        }
        #expect(gone == nil)
    }

    @Test("A sign of life, any of them, is a reason to refuse, with what to do about it")
    func living() {
        let serving = self.refusal {
            $0.witnesses["router-2"] = self.report(.serving, ["3 sessions are connected to it"])
        }
        #expect(serving?.contains("3 sessions") == true && serving?.contains("`trunkline drain edge-3`") == true)
        let emptying = self.refusal { $0.witnesses["router-1"] = self.report(.draining, ["1 sessions"]) }
        #expect(emptying?.contains("not empty yet") == true)
        let empty = self.refusal { $0.witnesses["router-1"] = self.report(.draining, []) }
        #expect(empty?.contains("it is empty, and still runs") == true)
        #expect(self.refusal { $0.witnesses["router-1"] = self.report(.stopping, []) }?.contains("stopping") == true)
        #expect(self.refusal { $0.witnesses["router-2"] = .silentLink }?.contains("router-2 has a link") == true)
        #expect(self.refusal { $0.presence = .answers }?.contains("answers at its address") == true)
        #expect(self.refusal { $0.isLeaseStale = false }?.contains("renewed its lease") == true)
    }

    @Test("What is not known counts as if it lived")
    func unknown() {
        let router = self.refusal { $0.witnesses["router-2"] = .unknown("no answer") }
        #expect(router?.contains("whether router-2 has a link to it: no answer") == true)
        // An edge is in no view; of what is not known to be one, that has to be seen.
        #expect(self.refusal { $0.seats["shard-2"] = .unknown("away") } == nil)
        let record = self.refusal {
            $0.seats["shard-2"] = .unknown("away")
            $0.record = .unreadable([1])
        }
        #expect(record?.contains("view of shard-2: away") == true)
    }

    @Test("Whoever is in a view owns slots until others have taken over")
    func owner() {
        let owner = self.refusal {
            $0.seats = ["shard-1": .member(slots: 2048), "shard-2": .member(slots: 1)]
            $0.record = .none
        }
        #expect(owner?.contains("shard-1 (2048 slots), shard-2 (1 slot)") == true, "\(owner ?? "")")
    }

    @Test("A name that nothing tells of is an error; one that an order was given about is not")
    func nobody() {
        #expect(self.refusal { $0.record = .none }?.contains("there is no node of this name") == true)
        let known = self.refusal {
            $0.record = .none
            $0.isInLog = true
        }
        #expect(known == nil)
    }

    @Test("What is told, to people, to programs and to the log")
    func telling() throws {
        var gate = self.dead
        gate.isListed = true
        gate.presence = .silent("no answer within 3 seconds")
        let removal = NodeRemoval(gate, isTrial: false)
        #expect(removal.removed && removal.notes.count == 2)
        #expect(
            removal.text.hasPrefix("edge-3 is removed: the lease of edge, incarnation \(Self.lease.incarnation)")
        )
        #expect(removal.text.contains("cluster.yaml lists it") && removal.text.contains("only frozen"))
        #expect(try NodeRemoval(json: removal.json()) == removal)
        let trial = NodeRemoval(gate, isTrial: true)
        #expect(!trial.removed && trial.text.hasPrefix("Nothing was done. It would take away the lease"))
        gate.record = .none
        #expect(NodeRemoval(gate, isTrial: false).text.hasPrefix("Nothing is left of edge-3"))
        let entry = RemovalOrder(operatorName: "anna@ops-1").logEntry(of: removal, at: 5)
        #expect(
            entry.action == "remove" && entry.operatorName == "anna@ops-1"
                && entry.detail == "edge-3, incarnation \(Self.lease.incarnation)"
        )
    }

    @Test("The body of the order: what is left out is the standard, and what is wrong says what would be right")
    func bodies() throws {
        #expect(try RemovalOrder(json: []) == RemovalOrder())
        #expect(try RemovalOrder(json: Array("{}".utf8)) == RemovalOrder())
        let order = RemovalOrder(isTrial: true, operatorName: "anna@ops-1")
        #expect(try RemovalOrder(json: Array(order.json.utf8)) == order)
        for body in ["[", #"{"dry_run":"yes"}"#, #"{"operator":""}"#, #"{"operator":"a\nb"}"#, #"{"operator":7}"#] {
            let error = #expect(throws: OperationsError.self) { try RemovalOrder(json: Array(body.utf8)) }
            #expect(error?.kind == .invalid, "\(body)")
        }
    }
}
