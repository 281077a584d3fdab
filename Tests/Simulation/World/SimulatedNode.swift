// SPDX-License-Identifier: Apache-2.0

import Wire

/// A process that can crash and start again, freeze and go on. Base of the routers, the edges and the devices.
package class SimulatedNode {
    package let name: String
    let world: World
    package private(set) var isAlive = true
    package private(set) var isFrozen = false
    /// Grows with each start: what was meant for an earlier life does not reach a later one.
    package private(set) var life = 1
    private var deferred: [() -> Void] = []

    init(name: String, world: World) {
        self.name = name
        self.world = world
    }

    /// Runs something on this node after a delay, if it is still the same life then. A frozen node does it when it goes on.
    func later(_ delay: UInt64, _ run: @escaping () -> Void) {
        let life = self.life
        self.world.scheduler.schedule(after: delay) { [weak self] in
            self?.execute(life, run)
        }
    }

    private func execute(_ life: Int, _ run: @escaping () -> Void) {
        guard self.isAlive, self.life == life else { return }
        if self.isFrozen {
            self.deferred.append { [weak self] in self?.execute(life, run) }
        } else {
            run()
        }
    }

    package func crash() {
        guard self.isAlive else { return }
        self.isAlive = false
        self.isFrozen = false
        self.deferred = []
        self.world.note("\(self.name) crashes")
        self.crashed()
    }

    package func restart() {
        guard !self.isAlive else { return }
        self.isAlive = true
        self.life += 1
        self.world.note("\(self.name) starts, life \(self.life)")
        self.started()
    }

    package func freeze() {
        guard self.isAlive, !self.isFrozen else { return }
        self.isFrozen = true
        self.world.note("\(self.name) freezes")
    }

    package func thaw() {
        guard self.isFrozen else { return }
        self.isFrozen = false
        self.world.note("\(self.name) goes on")
        let deferred = self.deferred
        self.deferred = []
        for run in deferred { run() }
    }

    /// All state of the life is to be dropped.
    func crashed() {}

    /// A new life begins with nothing.
    func started() {}

    /// A router told of a new map or view.
    func routingReceived(_ news: RoutingNews) {}
}
