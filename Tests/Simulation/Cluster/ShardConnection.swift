// SPDX-License-Identifier: Apache-2.0

import Storage

/// One node's connection to a shard: the way there and back takes time, and may end in between.
///
/// A call that is cut after it was sent fails as `outcomeUnknown`; its transaction may be lost, may have been carried out,
/// or may be carried out some time later, as a server does that has not noticed yet that its client is gone.
final class ShardConnection {
    private let world: World
    private unowned let node: SimulatedNode
    let shard: SimulatedShard
    private let state: ShardState
    private var nextCall = 0
    private var underWay: [Int: (StorageError) -> Void] = [:]

    init(world: World, node: SimulatedNode, shard: SimulatedShard, state: ShardState) {
        self.world = world
        self.node = node
        self.shard = shard
        self.state = state
        state.connections.append(Weak(connection: self))
    }

    /// Carries out a transaction.
    ///
    /// - Parameters:
    ///   - writes: Whether it leaves something behind.
    ///   - perform: At the server, once or never.
    ///   - completion: On the node, once, unless it crashes before.
    func call<Value>(
        writes: Bool,
        _ perform: @escaping (SimulatedShard) throws(StorageError) -> Value,
        completion: @escaping (Result<Value, StorageError>) -> Void
    ) {
        let number = self.nextCall
        self.nextCall += 1
        var isAnswered = false
        let finish = { [weak self] (result: Result<Value, StorageError>) in
            guard !isAnswered else { return }
            isAnswered = true
            self?.underWay[number] = nil
            self?.node.later(self?.wayTime ?? 0) { completion(result) }
        }
        guard self.state.isReachable(from: self.node.name) else {
            return finish(.failure(StorageError(.unavailable, "\(self.shard.name) cannot be reached")))
        }
        var isCut = false
        self.underWay[number] = { error in
            isCut = true
            finish(.failure(writes ? StorageError(.outcomeUnknown, error.message) : error))
        }
        let shard = self.shard
        let state = self.state
        let restarts = state.restarts
        self.world.scheduler.schedule(after: self.wayTime + self.workTime) { [world = self.world] in
            // A server that crashed has forgotten what it was at.
            guard state.isUp, state.restarts == restarts else { return }
            guard !isCut else {
                // The server may not have noticed yet: it begins late, or has given up.
                guard writes, world.chance(0.5) else { return }
                world.scheduler.schedule(after: world.duration(0...(.milliseconds(1500)))) {
                    guard state.isUp, state.restarts == restarts else { return }
                    world.note("\(shard.name) carries out late what \(number) asked for")
                    _ = try? perform(shard)
                }
                return
            }
            do throws(StorageError) {
                finish(.success(try perform(shard)))
            } catch {
                finish(.failure(error))
            }
        }
    }

    /// Ends what is under way, at the node's side.
    func cut(_ reason: String) {
        for (_, fail) in self.underWay.sorted(by: { $0.key < $1.key }) {
            fail(StorageError(.unavailable, reason))
        }
        self.underWay = [:]
    }

    private var wayTime: UInt64 { self.world.duration(.microseconds(30)...(.microseconds(200))) + self.state.slowness }
    private var workTime: UInt64 { self.world.duration(.microseconds(200)...(.milliseconds(2))) }

    struct Weak {
        weak var connection: ShardConnection?
    }
}

/// Whether a shard's server can be reached, by whom, and how fast it is.
package final class ShardState {
    private let world: World
    package let name: String
    package private(set) var isUp = true
    private(set) var restarts = 0
    private var unreachableFrom: Set<String> = []
    package var slowness: UInt64 = 0
    var connections: [ShardConnection.Weak] = []

    init(name: String, world: World) {
        self.name = name
        self.world = world
    }

    func isReachable(from node: String) -> Bool {
        self.isUp && !self.unreachableFrom.contains(node)
    }

    package func crash() {
        self.world.note("\(self.name) crashes")
        self.isUp = false
        self.restarts += 1
        self.cutAll("\(self.name) crashed")
    }

    package func restart() {
        self.world.note("\(self.name) is back")
        self.isUp = true
    }

    /// Cuts the connections of all nodes once.
    package func cutAll(_ reason: String) {
        self.world.note("\(self.name) connections cut")
        self.connections.removeAll { $0.connection == nil }
        for weak in self.connections { weak.connection?.cut(reason) }
    }

    package func setReachable(_ isReachable: Bool, from node: String) {
        if isReachable { self.unreachableFrom.remove(node) } else { self.unreachableFrom.insert(node) }
    }
}
