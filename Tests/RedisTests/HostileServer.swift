// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Threads

@testable import Redis

/// Speaks just enough Redis to be taken for one, then answers every command with the bytes it was given.
final class HostileServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let thread = Mutex<PlainThread?>(nil)

    /// The answers to PING and both INFO.
    private static let introduction = "+PONG\r\n$0\r\n\r\n$0\r\n\r\n"

    /// - Parameters:
    ///   - answer: Written after whatever comes in once the introduction is over.
    ///   - pauseMicroseconds: Waited after each byte of it; 0 writes it at once.
    ///   - hasIntroduction: A sentinel is asked without one.
    init?(answer: [UInt8], pauseMicroseconds: UInt32 = 0, hasIntroduction: Bool = true) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(listener, address, length) == 0 && listen(listener, 4) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard isListening else { return nil }
        self.listener = listener
        self.port = UInt16(bigEndian: address.sin_port)
        let started = PlainThread(name: "hostile server") {
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { return }
                Self.serve(client, answer, pauseMicroseconds, hasIntroduction: hasIntroduction)
                close(client)
            }
        }
        self.thread.withLock { $0 = started }
    }

    /// Ends the thread, which ends with the next connection attempt at the latest.
    func stop() {
        Glibc.shutdown(self.listener, Int32(SHUT_RDWR))
        self.thread.withLock { $0 }?.join()
        close(self.listener)
    }

    private static func serve(
        _ client: Int32,
        _ answer: [UInt8],
        _ pauseMicroseconds: UInt32,
        hasIntroduction: Bool
    ) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        if hasIntroduction {
            guard read(client, &buffer, buffer.count) > 0, Self.sendAll(client, Array(Self.introduction.utf8)) else {
                return
            }
        }
        while read(client, &buffer, buffer.count) > 0 {
            if pauseMicroseconds == 0 {
                guard Self.sendAll(client, answer) else { return }
                continue
            }
            for byte in answer {
                var byte = byte
                guard send(client, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return }
                usleep(pauseMicroseconds)
            }
        }
    }

    private static func sendAll(_ client: Int32, _ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var sent = 0
            while sent < buffer.count {
                let count = send(client, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }
}
