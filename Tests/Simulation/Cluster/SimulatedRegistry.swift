// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Placement
import Router

/// What the cluster keeps in Redis: a primary, and after a fail-over for a while the former one, which goes on answering
/// the nodes that have not noticed yet. It can be away, be emptied, be restarted, fail over with the loss of what was not
/// replicated, and be out of reach of one node.
package final class SimulatedRegistry {
    private let world: World
    package private(set) var isUp = true
    private var primary: Server
    /// The former primary with the nodes that are still connected to it.
    private var former: (server: Server, nodes: Set<String>)?
    private var runs = 1
    private var unreachableFrom: Set<String> = []

    init(world: World) {
        self.world = world
        self.primary = Server(world: world, run: 1)
    }

    // MARK: - Faults

    package func goAway() {
        self.world.note("registry away")
        self.isUp = false
    }

    package func comeBack(emptied: Bool) {
        self.world.note("registry back\(emptied ? ", empty" : "")")
        self.isUp = true
        if emptied { self.empty() }
    }

    /// As FLUSHALL, and a restart.
    package func empty() {
        self.world.note("registry emptied")
        self.runs += 1
        self.primary = Server(world: self.world, run: self.runs)
    }

    package func setReachable(_ isReachable: Bool, from node: String) {
        self.world.note("registry \(isReachable ? "reachable" : "out of reach") from \(node)")
        if isReachable { self.unreachableFrom.remove(node) } else { self.unreachableFrom.insert(node) }
    }

    /// A replica that got nothing any more for the time of the lag becomes the primary. Each node finds it at a time of its
    /// own; until then the former primary answers it.
    package func failOver(lag: UInt64, nodes: [(name: String, noticesAfter: UInt64)]) {
        guard self.former == nil else { return }
        self.runs += 1
        let run = self.runs
        let replica = Server(copying: self.primary, run: run)
        self.world.scheduler.schedule(after: lag) {
            guard self.former == nil else { return }
            self.world.note("registry fails over")
            self.former = (self.primary, Set(nodes.map(\.name)))
            self.primary = replica
            for node in nodes {
                self.world.scheduler.schedule(after: node.noticesAfter) {
                    self.world.note("\(node.name) follows the registry")
                    self.former?.nodes.remove(node.name)
                    if self.former?.nodes.isEmpty ?? false { self.former = nil }
                }
            }
        }
    }

    // MARK: - Calls

    /// Carries out something at the server that the node is connected to; nil when it cannot be reached.
    func call<Value>(
        from node: SimulatedNode,
        _ perform: @escaping (Server) -> Value,
        completion: @escaping (Value?) -> Void
    ) {
        let there = self.world.duration(.microseconds(30)...(.microseconds(300)))
        let back = self.world.duration(.microseconds(30)...(.microseconds(300)))
        self.world.scheduler.schedule(after: there) { [weak node] in
            let name = node?.name ?? ""
            let value = self.isUp && !self.unreachableFrom.contains(name) ? perform(self.server(of: name)) : nil
            node?.later(back) { completion(value) }
        }
    }

    /// Which life of the registry a node is connected to.
    func life(for node: SimulatedNode) -> RegistryLife {
        let run = self.server(of: node.name).run
        return RegistryLife(serverRunID: "\(run)", reign: UInt64(run))
    }

    private func server(of node: String) -> Server {
        guard let former = self.former, former.nodes.contains(node) else { return self.primary }
        return former.server
    }
}

extension SimulatedRegistry {
    /// One server in one of its lives.
    final class Server {
        private struct Marker: Equatable {
            var life: EdgeLife
            var run: Int
            var expires: UInt64
        }

        let run: Int
        private let world: World
        private var sessions: [UserID: [DeviceID: SessionLocation]] = [:]
        private var markers: [String: Marker] = [:]
        private var leases: [RouterLife: UInt64] = [:]

        /// As the real lifetimes.
        private static let markerLifetime = UInt64.seconds(10)
        private static let leaseLifetime = UInt64.seconds(2)

        init(world: World, run: Int) {
            self.world = world
            self.run = run
        }

        convenience init(copying other: Server, run: Int) {
            self.init(world: other.world, run: run)
            (self.sessions, self.markers, self.leases) = (other.sessions, other.markers, other.leases)
        }

        enum Registration {
            case registered(replaced: SessionLocation?)
            /// The device has a newer session.
            case outdated
        }

        /// Puts a session in the place of the device's former one, and returns that. All clocks are the same here.
        func register(_ user: UserID, _ device: DeviceID, _ location: SessionLocation) -> Registration {
            let held = self.sessions[user]?[device]
            if let held, held.session > location.session, held.life == location.life || held.edge != location.edge {
                return .outdated
            }
            self.sessions[user, default: [:]][device] = location
            return .registered(replaced: held)
        }

        func unregister(_ user: UserID, _ device: DeviceID, _ location: SessionLocation) {
            guard self.sessions[user]?[device] == location else { return }
            self.sessions[user]?[device] = nil
        }

        /// Registers all, unless newer; returns what stayed.
        func registerAll(_ registrations: [SessionRegistration]) -> [SessionRegistration] {
            var newer: [SessionRegistration] = []
            for registration in registrations {
                let held = self.sessions[registration.user]?[registration.device]
                if let held, held.session > registration.location.session,
                    held.life == registration.location.life || held.edge != registration.location.edge
                {
                    newer.append(
                        SessionRegistration(user: registration.user, device: registration.device, location: held)
                    )
                } else {
                    self.sessions[registration.user, default: [:]][registration.device] = registration.location
                }
            }
            return newer
        }

        func setComplete(_ life: EdgeLife, run: Int) {
            self.markers[life.edge] = Marker(life: life, run: run, expires: self.world.now + Self.markerLifetime)
        }

        func renewComplete(_ life: EdgeLife) -> Bool {
            guard let marker = self.markers[life.edge], marker.life == life, marker.run == self.run,
                marker.expires > self.world.now
            else { return false }
            self.setComplete(life, run: self.run)
            return true
        }

        func clearComplete(_ life: EdgeLife) {
            if self.markers[life.edge]?.life == life { self.markers[life.edge] = nil }
        }

        func answer(about users: [UserID]) -> Audience.Answer {
            var locations: [UserID: [EdgeLife]] = [:]
            for user in users {
                locations[user] = (self.sessions[user] ?? [:]).sorted { $0.key < $1.key }.map(\.value.life)
            }
            let complete = self.markers.values.filter { $0.run == self.run && $0.expires > self.world.now }.map(\.life)
            return .found(locations, complete: Set(complete), registry: "\(self.run)")
        }

        /// A later life takes the lease of an earlier one.
        func renewLease(_ router: RouterLife) {
            self.leases = self.leases.filter { $0.key.name != router.name || $0.key.incarnation > router.incarnation }
            self.leases[router] = self.world.now + Self.leaseLifetime
        }

        /// How long ago each living lease was renewed.
        var leaseAges: [RouterLife: Duration] {
            self.leases.filter { $0.value > self.world.now }.mapValues { expiry in
                .nanoseconds(self.world.now + Self.leaseLifetime - expiry)
            }
        }
    }
}
