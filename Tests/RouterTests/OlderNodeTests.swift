// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing
import Wire

@testable import Router

@Suite("Orders to nodes of an older version")
struct OlderNodeTests {
    @Test(
        "What an older node would not understand is answered for; all else goes there",
        arguments: OperateNode.Verb.allCases
    )
    func verbs(verb: OperateNode.Verb) {
        let order = OperateNode(verb, count: 1)
        let older = RouterOperator.refusal(of: order, to: "edge-1", speaking: 1)
        #expect((older != nil) == (verb == .shed))
        #expect(older.map { $0.code == .unavailable && $0.message.contains("edge-1 runs an older version") } ?? true)
        #expect(RouterOperator.refusal(of: order, to: "edge-1", speaking: MeshVersion.shedding) == nil)
        // That there is no link is said by the mesh.
        #expect(RouterOperator.refusal(of: order, to: "edge-1", speaking: nil) == nil)
    }
}
