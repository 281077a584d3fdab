// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The addresses that this machine has.
struct LocalAddresses: Sendable {
    private let addresses: Set<String>

    init() {
        var addresses: Set<String> = []
        var list: UnsafeMutablePointer<ifaddrs>?
        if getifaddrs(&list) == 0 {
            defer { freeifaddrs(list) }
            var entry = list
            while let current = entry {
                if let address = current.pointee.ifa_addr, let text = Self.text(of: address) { addresses.insert(text) }
                entry = current.pointee.ifa_next
            }
        }
        self.addresses = addresses
    }

    /// Whether a host is this machine. Resolves a name, with a call that blocks.
    func contains(host: String) -> Bool {
        if ["0.0.0.0", "::", "localhost"].contains(host) || host.hasPrefix("127.") { return true }
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &found) == 0 else { return false }
        defer { freeaddrinfo(found) }
        var entry = found
        while let current = entry {
            if let address = current.pointee.ai_addr, let text = Self.text(of: address), self.addresses.contains(text) {
                return true
            }
            entry = current.pointee.ai_next
        }
        return false
    }

    /// As numbers; nil for what is neither IPv4 nor IPv6.
    private static func text(of address: UnsafeMutablePointer<sockaddr>) -> String? {
        let length: Int
        switch Int32(address.pointee.sa_family) {
        case AF_INET: length = MemoryLayout<sockaddr_in>.size
        case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = getnameinfo(
            address,
            socklen_t(length),
            &text,
            socklen_t(text.count),
            nil,
            0,
            Int32(NI_NUMERICHOST)
        )
        guard status == 0 else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
