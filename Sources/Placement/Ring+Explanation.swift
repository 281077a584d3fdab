// SPDX-License-Identifier: Apache-2.0

extension Ring {
    /// Why a slot belongs to its router.
    package struct Explanation: Sendable, Equatable {
        /// Where the slot is on the circle of 2^64.
        package var slotPosition: UInt64
        /// Where the router's point is that follows it; smaller when the circle begins anew in between.
        package var pointPosition: UInt64
        package var router: String
        /// To whom it would go if that router left; nil when there is no other.
        package var next: String?
    }

    /// Works the points out again, for people. Nil when there is no router at all.
    package func explanation(of slot: Slot) -> Explanation? {
        guard let router = self.owner(of: slot) else { return nil }
        let points = Self.points(of: self.routers)
        let position = Self.slotPositions[Int(slot.number)]
        let point = points[Self.firstIndex(in: points, notBefore: position)]
        let others = Ring(routers: self.routers.filter { $0 != router })
        return Explanation(
            slotPosition: position,
            pointPosition: point.position,
            router: router,
            next: others.owner(of: slot)
        )
    }
}
