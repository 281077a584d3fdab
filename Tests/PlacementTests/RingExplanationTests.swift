// SPDX-License-Identifier: Apache-2.0

import Placement
import Testing

@Suite("Why a slot belongs to its router")
struct RingExplanationTests {
    @Test("The explanation names the owner that the ring has, for every slot, and who would be next")
    func agrees() throws {
        let ring = Ring(routers: ["router-1", "router-2", "router-3"])
        for number in stride(from: 0, to: Slot.count, by: 97) {
            let slot = try #require(Slot(number))
            let explanation = try #require(ring.explanation(of: slot))
            #expect(explanation.router == ring.owner(of: slot))
            #expect(explanation.next != explanation.router && ring.routers.contains(explanation.next ?? ""))
        }
        let slot = try #require(Slot(7))
        let alone = try #require(Ring(routers: ["router-1"]).explanation(of: slot))
        #expect(alone.router == "router-1" && alone.next == nil)
        #expect(Ring(routers: []).explanation(of: slot) == nil)
    }
}
