// SPDX-License-Identifier: Apache-2.0

import Placement
import TestSupport
import Testing

@Suite("The ring")
struct RingTests {
    private static let slots = (0..<Slot.count).compactMap { Slot($0) }

    private static func routers(_ count: Int, prefix: String = "router-") -> [String] {
        (1...count).map { "\(prefix)\($0)" }
    }

    private static func owners(_ ring: Ring) -> [String] {
        Self.slots.compactMap { ring.owner(of: $0) }
    }

    @Test("Without routers nobody owns anything, one router owns all")
    func few() {
        #expect(Self.owners(Ring(routers: [])).isEmpty)
        #expect(Set(Self.owners(Ring(routers: ["only"]))) == ["only"])
        #expect(Self.owners(Ring(routers: ["only"])).count == Slot.count)
    }

    @Test("Order and repetition of names do not matter")
    func order() {
        let ring = Ring(routers: ["b", "a", "c"])
        #expect(ring == Ring(routers: ["c", "b", "a", "b"]))
        #expect(ring.routers == ["a", "b", "c"])
    }

    /// The owners of all slots as one hash, from an implementation of its own in Python.
    @Test(
        "Every node computes the same ring",
        arguments: [
            (
                "router-", ["router-3", "router-3", "router-2", "router-1", "router-2", "router-1"],
                0x8411_2211_8B2E_C239
            ),
            ("r", ["r3", "r1", "r3", "r3", "r1", "r1"], 0xC7B9_7AC0_4A62_4262),
            (
                "node-a-", ["node-a-3", "node-a-2", "node-a-3", "node-a-2", "node-a-2", "node-a-3"],
                0xAB7C_C96B_CB9C_2CF8
            ),
        ] as [(String, [String], UInt64)]
    )
    func sameEverywhere(prefix: String, samples: [String], fingerprint: UInt64) throws {
        let names = Self.routers(3, prefix: prefix)
        let owners = Self.owners(Ring(routers: names))
        #expect([0, 1, 2, 1000, 2047, 4095].map { owners[$0] } == samples)
        let indexes = try owners.map { UInt8(try #require(names.firstIndex(of: $0))) }
        #expect(XXHash64.hash(indexes) == fingerprint)
    }

    @Test("Slots are spread evenly", arguments: [(2, 0.07), (3, 0.10), (4, 0.12), (8, 0.15), (16, 0.25)])
    func evenness(count: Int, deviationMax: Double) {
        for prefix in ["router-", "r", "node-a-"] {
            let owned = Dictionary(grouping: Self.owners(Ring(routers: Self.routers(count, prefix: prefix)))) { $0 }
            #expect(owned.count == count)
            let mean = Double(Slot.count) / Double(count)
            for (router, slots) in owned {
                let deviation = abs(Double(slots.count) / mean - 1)
                #expect(deviation <= deviationMax, "\(router) owns \(slots.count) of \(count) routers' share \(mean)")
            }
        }
    }

    @Test("A router more moves its own share and nothing else", arguments: [1, 2, 3, 4, 7, 15])
    func movement(count: Int) {
        for prefix in ["router-", "r", "node-a-"] {
            let newcomer = "\(prefix)\(count + 1)"
            let before = Self.owners(Ring(routers: Self.routers(count, prefix: prefix)))
            let after = Self.owners(Ring(routers: Self.routers(count + 1, prefix: prefix)))
            let moved = zip(before, after).filter { $0 != $1 }
            #expect(moved.allSatisfy { $0.1 == newcomer })
            let share = Double(Slot.count) / Double(count + 1)
            #expect(abs(Double(moved.count) - share) <= share * 0.2, "\(moved.count) moved, the share is \(share)")
        }
    }

    @Test("A router less hands its slots to all others")
    func loss() {
        let before = Self.owners(Ring(routers: Self.routers(5)))
        let after = Self.owners(Ring(routers: Self.routers(5).filter { $0 != "router-3" }))
        var heirs: [String: Int] = [:]
        for (old, new) in zip(before, after) where old != new {
            #expect(old == "router-3")
            heirs[new, default: 0] += 1
        }
        #expect(heirs.count == 4)
        // A quarter of about 800 each, not all to one neighbour.
        #expect(heirs.values.allSatisfy { (120...280).contains($0) }, "\(heirs)")
    }

    @Test("Any names give every slot an owner among them", arguments: [UInt64(11), 12, 13])
    func randomNames(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<4 {
            let names = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                String(decoding: random.bytes(Int.random(in: 0...20, using: &random)), as: UTF8.self)
            }
            let ring = Ring(routers: names)
            #expect(Self.owners(ring).count == Slot.count, "seed \(seed)")
            #expect(Set(Self.owners(ring)).isSubset(of: Set(names)), "seed \(seed)")
            #expect(ring == Ring(routers: names.shuffled(using: &random)), "seed \(seed)")
        }
    }
}
