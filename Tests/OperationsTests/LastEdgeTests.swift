// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import Operations

@Suite("Whether an edge may be emptied")
struct LastEdgeTests {
    private static func edge(_ name: String, _ state: NodeReport.State, sessions: UInt64 = 3) -> NodeCondition {
        NodeCondition(name, NodeReport(state: state, sessions: sessions, asked: 0, slots: 0, obstacles: []))
    }

    /// Whether `edge-1` may be, where the others say this of themselves.
    private static func isAllowed(_ others: [NodeCondition], sessions: UInt64 = 3) async -> Bool {
        do throws(OperationsError) {
            try await LastEdge.check(
                Self.edge("edge-1", .serving, sessions: sessions),
                others: ["edge-1", "edge-gone"] + others.map(\.node)
            ) { name in
                name == "edge-1" ? Self.edge(name, .serving) : others.first { $0.node == name }
            }
            return true
        } catch {
            #expect(error.kind == .refused && error.remedy.contains("--allow-gap"))
            return false
        }
    }

    @Test("Only while another one serves, whatever its lease still says; one without sessions always")
    func others() async {
        #expect(await !Self.isAllowed([]))
        #expect(await !Self.isAllowed([Self.edge("edge-2", .draining), Self.edge("edge-3", .stopping)]))
        #expect(await Self.isAllowed([Self.edge("edge-2", .draining), Self.edge("edge-3", .serving)]))
        #expect(await Self.isAllowed([], sessions: 0))
    }
}
