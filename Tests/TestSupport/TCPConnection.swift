// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A plain blocking connection to loopback, for what no client library would send.
package final class TCPConnection: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    private let descriptor: Int32

    /// - Parameter timeoutSeconds: how long one receive waits.
    package init(port: UInt16, timeoutSeconds: Int = 10) throws {
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
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
            close(self.descriptor)
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

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
