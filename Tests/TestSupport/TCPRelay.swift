// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Stands between one who dials and one address on loopback, and does to the connections what networks do.
///
/// Two plain threads for each connection, one for each direction. A direction holds at most ``chunkBytes``: when the far
/// side does not take them, nothing more is read, so back-pressure reaches the sender through the relay. What ends one
/// side ends the other in the same way, an orderly end as an orderly end, a reset as a reset. A target that cannot be
/// reached resets the connection that was just accepted. All calls may come from any thread.
package final class TCPRelay: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package enum Direction: Sendable, Equatable {
        case pass
        /// Bytes vanish and the connection stays. TCP never loses bytes in the middle, so a connection that lost some
        /// does not outlive ``heal()``.
        case swallow
        /// Each chunk comes later, by at least so much and at most so much more.
        case delay(milliseconds: Int, jitter: Int)
        case throttle(bytesPerSecond: Int)
        /// Some bytes become others wherever they stand within one chunk: what a faulty node would send.
        case alter([UInt8], to: [UInt8])
    }

    package enum Accepting: Sendable, Equatable {
        case normal
        /// Nothing listens.
        case refuse
        /// Connections are accepted, and nothing is ever answered.
        case silent
    }

    package struct Behaviour: Sendable, Equatable {
        /// From who dials to the target.
        package var forward = Direction.pass
        package var backward = Direction.pass
        package var accepting = Accepting.normal

        package init(
            forward: Direction = .pass,
            backward: Direction = .pass,
            accepting: Accepting = .normal
        ) {
            self.forward = forward
            self.backward = backward
            self.accepting = accepting
        }
    }

    /// Bytes that one direction of a connection holds at most.
    package static let chunkBytes = 64 * 1024
    /// Connections that wait to be accepted.
    private static let backlog: Int32 = 64

    private struct State {
        var behaviour = Behaviour()
        var listener: Int32?
        var connections: [UInt64: RelayedConnection] = [:]
        var nextNumber: UInt64 = 0
        var random: SeededRandom
        var isEnded = false
    }

    package let port: UInt16
    package let target: UInt16
    private let state: Mutex<State>

    /// - Parameters:
    ///   - port: where to listen; `target` is where to connect to. Both on loopback.
    ///   - seed: what jitter is drawn from.
    package init(port: UInt16, target: UInt16, seed: UInt64 = 0) throws {
        self.port = port
        self.target = target
        self.state = Mutex(State(random: SeededRandom(seed: seed)))
        try self.listen()
    }

    /// For good.
    package func end() {
        self.state.withLock { $0.isEnded = true }
        self.stopListening()
        self.cut()
    }

    package var behaviour: Behaviour { self.state.withLock { $0.behaviour } }
    package var connectionCount: Int { self.state.withLock { $0.connections.count } }

    /// What holds from now on, for the connections there are and those to come.
    package func behave(_ behaviour: Behaviour) throws {
        let before = self.state.withLock { state in
            defer { state.behaviour = behaviour }
            return state.behaviour.accepting
        }
        if behaviour.accepting == .refuse {
            self.stopListening()
        } else if before == .refuse {
            try self.listen()
        }
    }

    /// Resets all connections there are; new ones are dealt with as before.
    package func cut() {
        let connections = self.state.withLock { Array($0.connections.values) }
        for connection in connections { connection.cut() }
    }

    /// Everything passes again. Connections that lost bytes, or were never answered, are reset.
    package func heal() throws {
        try self.behave(Behaviour())
        let connections = self.state.withLock { Array($0.connections.values) }
        for connection in connections where connection.isBroken { connection.cut() }
    }

    // MARK: - Listening

    private func listen() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = TCPConnection.loopback(self.port)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound, Glibc.listen(descriptor, Self.backlog) == 0 else {
            let reason = errno
            close(descriptor)
            throw Failure(description: "a relay cannot listen on port \(self.port): errno \(reason)")
        }
        self.state.withLock { $0.listener = descriptor }
        PlainThreads.start { self.accept(descriptor) }
    }

    /// The thread that accepts sees the end and closes the descriptor.
    private func stopListening() {
        let listener = self.state.withLock { state in
            defer { state.listener = nil }
            return state.listener
        }
        if let listener { shutdown(listener, Int32(SHUT_RDWR)) }
    }

    private func accept(_ listener: Int32) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            if descriptor < 0, errno == EINTR || errno == ECONNABORTED { continue }
            guard descriptor >= 0 else { break }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            self.accepted(descriptor)
        }
        close(listener)
    }

    private func accepted(_ descriptor: Int32) {
        let connection = RelayedConnection(descriptor)
        let (number, isSilent) = self.state.withLock { state in
            state.nextNumber += 1
            state.connections[state.nextNumber] = connection
            return (state.nextNumber, state.behaviour.accepting == .silent)
        }
        connection.run(
            target: isSilent ? nil : self.target,
            direction: { isForward in
                self.state.withLock { isForward ? $0.behaviour.forward : $0.behaviour.backward }
            },
            jitter: { most in most > 0 ? self.state.withLock { Int.random(in: 0...most, using: &$0.random) } : 0 },
            ended: { self.state.withLock { $0.connections[number] = nil } }
        )
    }
}
