// SPDX-License-Identifier: Apache-2.0

import FaultModel
import NIOCore
import NIOPosix
import TestSupport
import TrunklineClient

/// Everybody who uses the cluster while it is broken.
final class Clients: Sendable {
    let world: World
    let recorder: Recorder
    private let http: TrunklineHTTP
    private let sessions: [NIOLoopBound<SessionDevice>]
    private let sockets: [SocketDevice]
    private let changers: [MembershipChanger]

    /// Connects everybody; nobody sends yet.
    init(_ world: World, _ recorder: Recorder, cluster: FaultyCluster, seed: UInt64) async throws {
        self.world = world
        self.recorder = recorder
        let edges = cluster.clientPorts.map { EdgeAddress(host: "127.0.0.1", port: Int($0)) }
        var settings = TrunklineHTTP.Settings()
        settings.requestTimeout = .seconds(5)
        self.http = TrunklineHTTP(
            edges: edges,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            settings: settings
        )
        let ports = cluster.edges.map(\.httpPort)
        self.sockets = world.population.devices.filter { $0.behaviour != .session }.map {
            SocketDevice($0, world, recorder, ports: ports)
        }
        var sessions: [NIOLoopBound<SessionDevice>] = []
        for device in world.population.devices where device.behaviour == .session {
            sessions.append(
                try await SessionDevice.start(
                    device,
                    world,
                    recorder,
                    http: self.http,
                    on: MultiThreadedEventLoopGroup.singleton.next()
                )
            )
        }
        self.sessions = sessions
        let sockets = self.sockets
        self.changers = world.population.conversations.filter { !$0.comers.isEmpty }.map { conversation in
            MembershipChanger(conversation, world, recorder, ports: ports, devices: sockets, seed: seed)
        }
    }

    /// Sends until ``stopSending()`` and changes members until ``stopChanging()``; returns when members are what they will
    /// stay.
    func work() async {
        for session in self.sessions { session.execute { $0.startSending() } }
        await withTaskGroup(of: Void.self) { group in
            for changer in self.changers { group.addTask { await changer.run() } }
        }
    }

    func stopChanging() {
        for changer in self.changers { changer.stop() }
    }

    func stopSending() {
        for session in self.sessions { session.execute { $0.stopSending() } }
    }

    /// Whoever comes and goes, or is slow, is there and quick from now on.
    func settle() {
        for socket in self.sockets { socket.settle() }
    }

    /// A message of every quiet sender, at moments within this time.
    func sendQuietly(withinMilliseconds time: Int) {
        for session in self.sessions { session.execute { $0.sendQuietly(withinMilliseconds: time) } }
    }

    /// Users who leave put all their devices away; see ``Population/leavingUsers``.
    func sendLeavers() {
        for socket in self.sockets where self.world.population.leavingUsers.contains(socket.plan.user) {
            socket.leave()
        }
    }

    /// Those of the library are dropped by their relays.
    func dropSockets() {
        for socket in self.sockets { socket.drop() }
    }

    func end() async {
        for session in self.sessions { session.execute { $0.close() } }
        for socket in self.sockets { socket.stop() }
        await self.http.shutDown()
    }
}

extension NIOLoopBound {
    /// Does something with the value where it lives.
    fileprivate func execute(_ act: @escaping @Sendable (Value) -> Void) where Value: AnyObject {
        self.eventLoop.execute { act(self.value) }
    }
}
