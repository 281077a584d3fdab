// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Storage
import TestSupport
import Testing

@testable import Operations

@Suite("What the verbs make of what they see that only look")
struct LookTests {
    private func table(routers: [String], holding slots: SlotSet? = nil) throws -> RoutingTable {
        var table = RoutingTable()
        table.adopt(try #require(ShardMap(dealing: ["shard-1", "shard-2"])))
        table.adopt(View(shard: "shard-1", epoch: 4, routers: routers, slots: slots))
        return table
    }

    private func count(_ ranges: [[Int]]) -> Int { ranges.reduce(0) { $0 + $1[1] - $1[0] + 1 } }

    @Test("Every slot of a shard is in one share; a shard whose view is not known belongs to nobody")
    func slots() throws {
        let listing = SlotListing(try self.table(routers: ["router-1", "router-2"]))
        #expect(listing.shares.map(\.shard) == ["shard-1", "shard-1", "shard-2"])
        #expect(listing.shares.map(\.router) == ["router-1", "router-2", nil])
        #expect(listing.shares[0].slots + listing.shares[1].slots == 2048 && listing.shares[2].slots == 2048)
        for share in listing.shares { #expect(self.count(share.ranges) == share.slots) }
        let text = listing.text()
        #expect(text.contains("shard-2, nobody that is known: 2048 slots"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
        let filtered = SlotListing(
            try self.table(routers: ["router-1", "router-2"]),
            shard: "shard-1",
            router: "router-2"
        )
        #expect(filtered.shares == [listing.shares[1]])
    }

    @Test("Slots that are handed to another shard at this moment are told apart")
    func handedOver() throws {
        let held = SlotSet { $0.number % 2 == 0 && $0.number != 2 && $0.number != 4 }
        let listing = SlotListing(try self.table(routers: ["router-1"], holding: held), shard: "shard-1")
        #expect(listing.shares.first?.handedOver == [[2, 2], [4, 4]])
        #expect(listing.text().contains("handed to another shard at this moment:\n  2 4\n"))
    }

    @Test("Ranges join neighbours, from the first slot to the last")
    func ranges() {
        #expect(SlotSet().ranges.isEmpty)
        #expect(SlotSet.all.ranges == [0...4095])
        #expect(SlotSet { [0, 1, 2, 7, 4094, 4095].contains(Int($0.number)) }.ranges == [0...2, 7...7, 4094...4095])
    }

    @Test("Rates are of the time between two looks; of a node that was started in between nothing is known")
    func top() throws {
        func sample(_ name: String, _ role: String, _ page: String, at: ContinuousClock.Instant) -> NodeSample {
            var sample = NodeSample(name: name, role: role, state: "ready", incarnation: "one", takenAt: at)
            sample.figures = NodeSample.Figures(MetricsText(page), isEdge: role == "edge")
            return sample
        }
        let begun = ContinuousClock.now
        let later = begun + .seconds(2)
        func edge(_ sends: Int, _ deliveries: Int) -> String {
            """
            trunkline_edge_sessions 7
            trunkline_edge_commands_total{type="send_message"} \(sends)
            trunkline_edge_commands_total{type="authenticate"} 900
            trunkline_edge_deliveries_total \(deliveries)
            process_cpu_seconds_total 1.5

            """
        }
        func router(_ stored: Int) -> String {
            """
            trunkline_router_messages_stored_total \(stored)
            trunkline_router_slots_owned{shard="a"} 3
            trunkline_router_slots_owned{shard="b"} 4

            """
        }
        let before = [
            sample("edge-1", "edge", edge(10, 100), at: begun), sample("router-1", "router", router(5), at: begun),
        ]
        var samples = [
            sample("edge-1", "edge", edge(30, 500), at: later), sample("router-1", "router", router(25), at: later),
        ]
        let top = ClusterTop(cluster: "testing", at: "now", samples, before: before)
        #expect(top.sends == 10 && top.deliveries == 200 && top.sessions == 7)
        #expect(top.nodes.map(\.slots) == [nil, 7] && top.nodes[0].sends == 10 && top.nodes[0].processor == 0)
        #expect(top.text().hasPrefix("Cluster testing, now: 7 sessions, 10 sends/s, 200 deliveries/s\n"))
        samples[0].incarnation = "another"
        samples[1].figures = nil
        samples[1].problem = "Connection refused"
        let restarted = ClusterTop(cluster: "testing", at: "now", samples, before: before)
        #expect(restarted.nodes.map(\.sends) == [nil, nil] && restarted.deliveries == 0)
        #expect(restarted.text().contains("Connection refused"))
        #expect(try top.json().split(separator: "\n").count == 1)
    }

    @Test("A session of an edge's former life is left over, and an edge that does not vouch is named")
    func sessions() {
        let (user, device, stale) = (UserID.generate(), DeviceID.generate(), DeviceID.generate())
        func lease(_ name: String) -> NodeLease {
            NodeLease(
                name: name,
                incarnation: .generate(),
                role: .edge,
                state: .ready,
                meshAddress: nil,
                httpAddress: nil,
                version: "1",
                since: 0
            )
        }
        let leases = [lease("edge-1"), lease("edge-2")]
        func entry(_ device: DeviceID, _ incarnation: Incarnation) -> RegisteredSession {
            let location = SessionLocation(edge: "edge-1", incarnation: incarnation, session: .generate())
            return RegisteredSession(device: device, location: location)
        }
        var snapshot = AudienceSnapshot()
        snapshot.sessions[user] = [entry(device, leases[0].incarnation), entry(stale, .generate())]
        snapshot.completeEdges = [EdgeLife(edge: "edge-1", incarnation: leases[0].incarnation)]
        let glance = UserGlance(
            username: "anna",
            devices: [UserGlance.Device(id: device, name: "phone", type: "mobile", isRevoked: false)]
        )
        let sessions = UserSessions(user, glance, snapshot, leases: leases)
        #expect(sessions.sessions.count(where: \.isLive) == 1 && sessions.incompleteEdges == ["edge-2"])
        let text = sessions.text()
        #expect(text.hasPrefix("anna (\(user)): 1 session, 1 device\n"))
        #expect(text.contains("phone") && text.contains("left over") && text.contains("complete for edge-2"))
    }
}
