// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A plain blocking connection to loopback, for what no client library would send.
package final class TCPConnection: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private let descriptor: Int32

    /// - Parameters:
    ///   - timeoutSeconds: how long one receive waits.
    ///   - receiveBufferBytes: what the system takes up before the peer has to wait; nil for its own choice.
    package init(port: UInt16, timeoutSeconds: Int = 10, receiveBufferBytes: Int? = nil) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if let receiveBufferBytes {
            var bytes = Int32(clamping: receiveBufferBytes)
            setsockopt(self.descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(self.descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = Self.loopback(port)
        let descriptor = self.descriptor
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            // `deinit` closes it, as everything is set by now: closed here too, it could be another thread's by then.
            throw Failure(description: "nothing listens on port \(port): errno \(errno)")
        }
    }

    deinit {
        close(self.descriptor)
    }

    /// Returns whether all of it was taken.
    @discardableResult
    package func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    self.descriptor,
                    buffer.baseAddress.map { $0 + sent },
                    bytes.count - sent,
                    Int32(MSG_NOSIGNAL)
                )
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// What comes next, at most so many bytes; empty at the end, nil when nothing came in time.
    package func receive(atMost limit: Int = 65_536) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        while true {
            let count = recv(self.descriptor, &bytes, limit, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return nil }
            return Array(bytes.prefix(max(0, count)))
        }
    }

    /// Everything until the other side closes, or nothing comes in time.
    package func receiveAll() -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = self.receive(), !bytes.isEmpty {
            all += bytes
        }
        return all
    }

    /// Whether the other side closes the connection, whatever it sends before.
    package func isClosedByPeer() -> Bool {
        while let bytes = self.receive() {
            if bytes.isEmpty { return true }
        }
        return false
    }

    /// Bytes that have arrived and were not received yet.
    package var waitingBytes: Int {
        var count: Int32 = 0
        return ioctl(self.descriptor, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    /// Waits until something can be received, the end included. Returns whether it can.
    package func isReadable(withinMilliseconds time: Int32) -> Bool {
        var entry = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, time) > 0
    }

    /// What has arrived, at most so many bytes, without waiting; empty at the end, nil when there is nothing.
    package func receiveWaiting(atMost limit: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(self.descriptor, &bytes, limit, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR { return nil }
        return Array(bytes.prefix(max(0, count)))
    }

    /// Makes the end of the connection a reset (RST), which the peer sees at once and without an orderly end.
    package func resetAtEnd() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(self.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    /// Ports that were free a moment ago, all different, and that the system never takes for outgoing connections: a
    /// server that is away finds its port free when it comes back.
    package static func stablePorts(_ count: Int) throws -> [UInt16] {
        var ports: Set<UInt16> = []
        var attempts = 0
        while ports.count < count {
            attempts += 1
            guard attempts < 100 * count + 1000 else { throw Failure(description: "no \(count) free ports") }
            // Below 32768, where the range for outgoing connections begins (ip_local_port_range).
            let port = UInt16.random(in: 10_000..<32_000)
            if !ports.contains(port), Self.isFree(port) { ports.insert(port) }
        }
        return Array(ports)
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = Self.loopback(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// Ports that were free a moment ago, all different.
    package static func freePorts(_ count: Int) throws -> [UInt16] {
        let descriptors = (0..<count).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        defer { descriptors.forEach { close($0) } }
        return try descriptors.map { descriptor in
            var address = Self.loopback(0)
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
                }
            }
            guard isBound else { throw Failure(description: "no free port: errno \(errno)") }
            return UInt16(bigEndian: address.sin_port)
        }
    }

    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
