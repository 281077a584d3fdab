// SPDX-License-Identifier: Apache-2.0

/// How many of each there are in the cluster that is broken.
package struct ClusterShape: Sendable, Equatable {
    package var routers: Int
    package var edges: Int
    package var shards: Int

    package init(routers: Int = 3, edges: Int = 3, shards: Int = 2) {
        self.routers = routers
        self.edges = edges
        self.shards = shards
    }
}

/// A fault with everything that the seed decides about it. What a kind has no use for is there all the same.
package struct PlannedFault: Sendable, Equatable {
    package var kind: FaultKind
    /// Numbers from 0.
    package var router: Int
    package var edge: Int
    package var shard: Int
    /// A node that is not ``router``: routers first, then edges, in the order of the cluster.
    package var peer: Int
    package var holdMilliseconds: Int
    /// Which way, for what happens in one direction only.
    package var isForward: Bool
    /// For what comes late: at least, and at most so much more.
    package var delayMilliseconds: Int
    package var jitterMilliseconds: Int
    /// For what the fault itself draws while it lasts.
    package var seed: UInt64
}

/// A pause, a fault, and sometimes a second one that begins while the first one lasts.
package struct Step: Sendable, Equatable {
    package var number: Int
    package var calmMilliseconds: Int
    package var fault: PlannedFault
    package var second: PlannedFault?
    /// From the begin of the first to that of the second.
    package var secondAfterMilliseconds: Int
}

/// The faults of a run, in order, as many as there is time for. Pure: the same seed gives the same steps.
///
/// Every kind comes once before any comes again, in a new order each time round.
package struct Schedule<Generator: RandomNumberGenerator>: Sequence, IteratorProtocol {
    /// One step in so many has a second fault.
    private static var secondFaultEvery: Int { 4 }

    private let shape: ClusterShape
    private let kinds: [FaultKind]
    private let isLong: Bool
    private var generator: Generator
    private var bag: [FaultKind] = []
    private var number = 0

    /// - Parameter kinds: At least one.
    package init(_ kinds: [FaultKind], shape: ClusterShape, isLong: Bool, generator: Generator) {
        precondition(!kinds.isEmpty && shape.routers >= 2 && shape.edges >= 1, "nothing to break")
        self.kinds = kinds
        self.shape = shape
        self.isLong = isLong
        self.generator = generator
    }

    package mutating func next() -> Step? {
        if self.bag.isEmpty { self.bag = self.kinds.shuffled(using: &self.generator) }
        let kind = self.bag.removeLast()
        let fault = self.plan(kind)
        self.number += 1
        var step = Step(
            number: self.number,
            calmMilliseconds: Int.random(in: 500...2500, using: &self.generator),
            fault: fault,
            second: nil,
            secondAfterMilliseconds: 0
        )
        let others = self.kinds.filter { $0.group != kind.group }
        if Int.random(in: 1...Self.secondFaultEvery, using: &self.generator) == 1,
            let other = others.randomElement(using: &self.generator)
        {
            step.second = self.plan(other)
            step.secondAfterMilliseconds = Int.random(
                in: 0...Swift.max(200, fault.holdMilliseconds),
                using: &self.generator
            )
        }
        return step
    }

    private mutating func plan(_ kind: FaultKind) -> PlannedFault {
        let router = Int.random(in: 0..<self.shape.routers, using: &self.generator)
        let nodes = self.shape.routers + self.shape.edges
        let peer = (router + Int.random(in: 1..<nodes, using: &self.generator)) % nodes
        return PlannedFault(
            kind: kind,
            router: router,
            edge: Int.random(in: 0..<self.shape.edges, using: &self.generator),
            shard: Int.random(in: 0..<self.shape.shards, using: &self.generator),
            peer: peer,
            holdMilliseconds: Int.random(in: kind.holdMilliseconds(isLong: self.isLong), using: &self.generator),
            isForward: Bool.random(using: &self.generator),
            delayMilliseconds: Int.random(in: 20...400, using: &self.generator),
            jitterMilliseconds: Int.random(in: 0...300, using: &self.generator),
            seed: self.generator.next()
        )
    }
}
