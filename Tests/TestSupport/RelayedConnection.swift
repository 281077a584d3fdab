// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// One connection through a relay: the accepted socket, the dialled one, and a thread for each direction.
final class RelayedConnection: Sendable {
    private struct State {
        var dialled: Int32?
        /// Closing our end wakes every thread that waits for the other.
        var alarm: Int32?
        var isReset = false
        var isBroken = false
        var pumps = 0
    }

    private let accepted: Int32
    /// Becomes readable when the connection is cut.
    private let alarmed: Int32
    private let state: Mutex<State>

    init(_ accepted: Int32) {
        self.accepted = accepted
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let status = socketpair(AF_UNIX, type, 0, &ends)
        precondition(status == 0, "no descriptors are left: errno \(errno)")
        self.alarmed = ends[0]
        self.state = Mutex(State(alarm: ends[1]))
        Self.sendAtOnce(accepted)
    }

    /// Whether it lost bytes or was never answered.
    var isBroken: Bool { self.state.withLock { $0.isBroken } }

    /// Resets both sides. The threads do it, each after the call it is in.
    func cut() {
        let alarm = self.state.withLock { state in
            state.isReset = true
            defer { state.alarm = nil }
            return state.alarm
        }
        if let alarm { close(alarm) }
    }

    /// - Parameters:
    ///   - target: the port to dial; nil to answer nothing.
    ///   - ended: called once, when both directions have ended.
    func run(
        target: UInt16?,
        direction: @escaping @Sendable (_ isForward: Bool) -> TCPRelay.Direction,
        jitter: @escaping @Sendable (Int) -> Int,
        ended: @escaping @Sendable () -> Void
    ) {
        PlainThreads.start {
            guard let target else {
                self.state.withLock { $0.isBroken = true }
                _ = self.wait(nil, POLLIN, milliseconds: -1)
                self.finish()
                return ended()
            }
            guard let dialled = Self.dial(target) else {
                self.cut()
                self.finish()
                return ended()
            }
            self.state.withLock { state in
                state.dialled = dialled
                state.pumps = 2
            }
            let pumpEnded: @Sendable () -> Void = {
                guard
                    self.state.withLock({ state in
                        state.pumps -= 1
                        return state.pumps == 0
                    })
                else { return }
                self.finish()
                ended()
            }
            PlainThreads.start {
                self.pump(from: dialled, to: self.accepted, { direction(false) }, jitter)
                pumpEnded()
            }
            self.pump(from: self.accepted, to: dialled, { direction(true) }, jitter)
            pumpEnded()
        }
    }

    // MARK: -

    private func pump(
        from source: Int32,
        to sink: Int32,
        _ direction: () -> TCPRelay.Direction,
        _ jitter: (Int) -> Int
    ) {
        var chunk = [UInt8](repeating: 0, count: TCPRelay.chunkBytes)
        while self.wait(source, POLLIN, milliseconds: -1) {
            let limit: Int
            if case .throttle(let rate) = direction() {
                limit = min(chunk.count, max(1, rate / 20))
            } else {
                limit = chunk.count
            }
            let count = recv(source, &chunk, limit, Int32(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN || errno == EINTR { continue }
            guard count >= 0 else { return self.cut() }
            guard count > 0 else {
                if direction() == .swallow {
                    // An end is swallowed too.
                    self.state.withLock { $0.isBroken = true }
                } else {
                    shutdown(sink, Int32(SHUT_WR))
                }
                return
            }
            switch direction() {
            case .pass: break
            case .alter(let old, let new): Self.replace(old, with: new, in: &chunk, count)
            case .swallow:
                self.state.withLock { $0.isBroken = true }
                continue
            case .delay(let milliseconds, let most):
                guard self.pause(milliseconds + jitter(most)) else { return }
            case .throttle(let rate):
                guard self.pause(count * 1000 / max(1, rate)) else { return }
            }
            guard self.send(chunk, count, to: sink) else { return }
        }
    }

    /// Both have the same length, at least 1.
    private static func replace(_ old: [UInt8], with new: [UInt8], in chunk: inout [UInt8], _ count: Int) {
        guard old.count == new.count, !old.isEmpty, count >= old.count else { return }
        for place in 0...(count - old.count) where chunk[place..<(place + old.count)].elementsEqual(old) {
            chunk.replaceSubrange(place..<(place + old.count), with: new)
        }
    }

    private func send(_ chunk: [UInt8], _ count: Int, to sink: Int32) -> Bool {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        var sent = 0
        while sent < count {
            let step = chunk.withUnsafeBytes { bytes in
                Glibc.send(sink, bytes.baseAddress.map { $0 + sent }, count - sent, flags)
            }
            if step < 0, errno == EAGAIN {
                guard self.wait(sink, POLLOUT, milliseconds: -1) else { return false }
            } else if step < 0, errno != EINTR {
                self.cut()
                return false
            } else if step > 0 {
                sent += step
            }
        }
        return true
    }

    /// Returns false when the connection was cut meanwhile.
    private func pause(_ milliseconds: Int) -> Bool {
        !self.wait(nil, POLLIN, milliseconds: Int32(clamping: milliseconds))
            && !self.state.withLock { $0.isReset }
    }

    /// Waits until the descriptor is ready. Returns false when the connection was cut, or the time is over.
    private func wait(_ descriptor: Int32?, _ events: Int32, milliseconds: Int32) -> Bool {
        var entries = [pollfd(fd: self.alarmed, events: Int16(POLLIN), revents: 0)]
        if let descriptor { entries.append(pollfd(fd: descriptor, events: Int16(events), revents: 0)) }
        while poll(&entries, nfds_t(entries.count), milliseconds) < 0, errno == EINTR {}
        if self.state.withLock({ $0.isReset }) { return false }
        return entries.count == 2 && entries[1].revents != 0
    }

    /// Closes everything; when it was cut, with a reset.
    private func finish() {
        let (dialled, alarm, isReset) = self.state.withLock { state in
            defer { state.alarm = nil }
            return (state.dialled, state.alarm, state.isReset)
        }
        for descriptor in [self.accepted, dialled ?? -1] where descriptor >= 0 {
            if isReset {
                var linger = linger(l_onoff: 1, l_linger: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
            }
            close(descriptor)
        }
        if let alarm { close(alarm) }
        close(self.alarmed)
    }

    private static func dial(_ port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = TCPConnection.loopback(port)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard descriptor >= 0, isConnected else {
            close(descriptor)
            return nil
        }
        Self.sendAtOnce(descriptor)
        return descriptor
    }

    private static func sendAtOnce(_ descriptor: Int32) {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    }
}
