// SPDX-License-Identifier: Apache-2.0

import Glibc

/// One command to a Redis or a sentinel of loopback, on a connection of its own.
enum RedisLine {
    /// - Parameter line: the words of the command, apart by spaces.
    /// - Returns: The first line of the answer.
    static func command(_ line: String, port: UInt16, password: String?) throws -> String {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = Self.loopback(port)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard connected else {
            throw RedisServer.Failure(description: "Redis does not take connections: errno \(errno)")
        }
        if let password {
            guard try Self.ask(descriptor, "AUTH \(password)") == "+OK" else {
                throw RedisServer.Failure(description: "Redis refuses the password")
            }
        }
        return try Self.ask(descriptor, line)
    }

    private static func ask(_ descriptor: Int32, _ line: String) throws -> String {
        let sent = "\(line)\r\n".withCString { send(descriptor, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
        guard sent > 0, let answer = Self.readLine(descriptor) else {
            throw RedisServer.Failure(description: "Redis did not answer: errno \(errno)")
        }
        return answer
    }

    /// One line without its end; nil when the connection ends first.
    static func readLine(_ descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { break }
            bytes.append(byte)
        }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}
