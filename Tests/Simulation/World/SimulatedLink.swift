// SPDX-License-Identifier: Apache-2.0

/// A connection between two nodes that behaves as TCP does: what arrives, arrives in order and once; what is under way
/// when it breaks is lost; and neither end knows how much of what it sent has arrived.
///
/// A direction can be blocked: what is sent waits, and when the block lasts longer than the silence that the ends bear,
/// both take the link for dead. It is dialled again by itself.
package final class SimulatedLink {
    package struct Ends {
        package var up: () -> Void
        package var down: () -> Void
    }

    private struct Direction {
        var isBlocked = false
        var lastArrival: UInt64 = 0
        var held: [() -> Void] = []
    }

    private let world: World
    package let nodes: (SimulatedNode, SimulatedNode)
    private let silence: UInt64
    private let redials: Bool
    private var ends: (Ends, Ends)?
    private var directions = (Direction(), Direction())
    /// Grows with each connection.
    private var generation = 0
    package private(set) var isUp = false
    /// What each end has been told.
    private var isKnownUp = (false, false)
    private var isRetired = false
    /// Extra delay of everything, while the network is slow.
    package var slowness: UInt64 = 0
    /// Nothing that can be left out is taken: the receiver gives no credit.
    package var isFull = false

    init(world: World, _ first: SimulatedNode, _ second: SimulatedNode, silence: UInt64, redials: Bool) {
        self.world = world
        self.nodes = (first, second)
        self.silence = silence
        self.redials = redials
    }

    func open(_ first: Ends, _ second: Ends) {
        self.ends = (first, second)
        self.connect()
    }

    /// Never again.
    func retire() {
        self.isRetired = true
        self.breakDown("closed")
    }

    func isKnownUp(at node: SimulatedNode) -> Bool {
        node === self.nodes.0 ? self.isKnownUp.0 : self.isKnownUp.1
    }

    /// Sends something from one end. Returns false when that end knows of no connection.
    @discardableResult
    func send(from node: SimulatedNode, _ arrive: @escaping () -> Void) -> Bool {
        let isFirst = node === self.nodes.0
        guard self.isKnownUp(at: node) else { return false }
        guard self.isUp else { return true }
        let blocked = isFirst ? self.directions.0.isBlocked : self.directions.1.isBlocked
        guard !blocked else {
            if isFirst { self.directions.0.held.append(arrive) } else { self.directions.1.held.append(arrive) }
            return true
        }
        self.deliver(fromFirst: isFirst, arrive)
        return true
    }

    private func deliver(fromFirst: Bool, _ arrive: @escaping () -> Void) {
        let delay = self.world.duration(.microseconds(50)...(.microseconds(400))) + self.slowness
        let last = fromFirst ? self.directions.0.lastArrival : self.directions.1.lastArrival
        let time = max(self.world.now + delay, last + 1)
        if fromFirst { self.directions.0.lastArrival = time } else { self.directions.1.lastArrival = time }
        let generation = self.generation
        let receiver = fromFirst ? self.nodes.1 : self.nodes.0
        receiver.later(time - self.world.now) { [weak self] in
            guard let self, self.generation == generation, self.isKnownUp(at: receiver) else { return }
            arrive()
        }
    }

    // MARK: - Faults

    package enum Way: CaseIterable {
        case forth
        case back
        case both
    }

    package func block(_ way: Way) {
        self.world.note("\(self) blocked \(way)")
        if way != .back { self.directions.0.isBlocked = true }
        if way != .forth { self.directions.1.isBlocked = true }
        self.expectSilence()
    }

    package func unblock() {
        self.world.note("\(self) free")
        let held = (self.directions.0.held, self.directions.1.held)
        self.directions.0.held = []
        self.directions.1.held = []
        self.directions.0.isBlocked = false
        self.directions.1.isBlocked = false
        guard self.isUp else { return }
        for arrive in held.0 { self.deliver(fromFirst: true, arrive) }
        for arrive in held.1 { self.deliver(fromFirst: false, arrive) }
    }

    /// One end says nothing any more: after a while the other takes the link for dead.
    package func expectSilence() {
        let generation = self.generation
        self.world.scheduler.schedule(after: self.silence) { [weak self] in
            guard let self, self.generation == generation, self.isSilent else { return }
            self.breakDown("silent")
        }
    }

    private var isSilent: Bool {
        self.directions.0.isBlocked || self.directions.1.isBlocked || self.nodes.0.isFrozen || self.nodes.1.isFrozen
    }

    package func breakDown(_ reason: String) {
        guard self.isUp else { return }
        self.world.note("\(self) down: \(reason)")
        self.isUp = false
        self.generation += 1
        self.directions.0.held = []
        self.directions.1.held = []
        self.tell(self.nodes.0, up: false)
        self.tell(self.nodes.1, up: false)
        if self.redials, !self.isRetired { self.redial() }
    }

    private func tell(_ node: SimulatedNode, up: Bool) {
        let isFirst = node === self.nodes.0
        let generation = self.generation
        let run = { [weak self] in
            guard let self, let ends = self.ends else { return }
            // A frozen end hears of several at once: only what holds still is told, but a break always.
            guard !up || self.generation == generation else { return }
            guard self.isKnownUp(at: node) != up else { return }
            if isFirst { self.isKnownUp.0 = up } else { self.isKnownUp.1 = up }
            let own = isFirst ? ends.0 : ends.1
            if up { own.up() } else { own.down() }
        }
        guard node.isAlive else {
            if isFirst { self.isKnownUp.0 = false } else { self.isKnownUp.1 = false }
            return
        }
        node.later(.microseconds(100), run)
    }

    /// A node crashed: what it knew is gone, told or not.
    func forget(_ node: SimulatedNode) {
        self.breakDown("\(node.name) crashed")
        if node === self.nodes.0 { self.isKnownUp.0 = false } else { self.isKnownUp.1 = false }
    }

    private func redial() {
        self.world.scheduler.schedule(after: self.world.duration(.milliseconds(20)...(.milliseconds(200)))) {
            [weak self] in
            guard let self, !self.isRetired, !self.isUp else { return }
            self.connect()
        }
    }

    private func connect() {
        let possible =
            self.nodes.0.isAlive && self.nodes.1.isAlive && !self.isSilent && !self.isKnownUp.0 && !self.isKnownUp.1
        guard possible else {
            if self.redials { self.redial() }
            return
        }
        self.isUp = true
        self.generation += 1
        self.world.note("\(self) up")
        self.tell(self.nodes.0, up: true)
        self.tell(self.nodes.1, up: true)
    }
}

extension SimulatedLink: CustomStringConvertible {
    package var description: String { "link \(self.nodes.0.name)-\(self.nodes.1.name)" }
}
