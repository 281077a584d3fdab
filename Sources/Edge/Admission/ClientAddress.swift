// SPDX-License-Identifier: Apache-2.0

package import ClusterConfiguration
internal import NIOCore

/// What a limit per address counts by: an IPv4 address, or the first 64 bits of an IPv6 address, which is what one
/// customer is given as a rule (RFC 6177); within it addresses cost nothing.
package struct ClientAddress: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    package init(_ address: IPAddress) {
        self.high = address.high
        self.low = address.isVersion4 ? address.low : 0
    }
}

/// Who a client is, when there may be proxies in between. Pure.
struct ClientAddressing: Sendable {
    static let fieldName = "X-Forwarded-For"

    /// Whose `X-Forwarded-For` is believed.
    let trustedProxies: [NetworkPrefix]

    func isTrusted(_ address: IPAddress) -> Bool {
        self.trustedProxies.contains { $0.contains(address) }
    }

    /// The rightmost address that is no trusted proxy: each proxy appends whom it got the request from, so what stands
    /// to the left of that is the client's own invention.
    ///
    /// - Parameters:
    ///   - peer: The other end of the connection.
    ///   - forwardedFor: The values of `X-Forwarded-For`, in the order of the request.
    func client(peer: IPAddress, forwardedFor: [String]) -> IPAddress {
        guard self.isTrusted(peer) else { return peer }
        var client = peer
        let hops = forwardedFor.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        for hop in hops.reversed() {
            // What a trusted proxy wrote and is not understood leaves the proxy itself as the best that is known.
            guard let address = Self.address(hop) else { return client }
            client = address
            guard self.isTrusted(address) else { return client }
        }
        return client
    }

    /// Reads an address; some proxies add the port: `192.0.2.7:4711`, `[2001:db8::7]:4711`.
    private static func address(_ text: Substring) -> IPAddress? {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            return IPAddress(String(text[text.index(after: text.startIndex)..<end]))
        }
        if let address = IPAddress(String(text)) { return address }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        return IPAddress(String(text[..<colon]))
    }
}

extension IPAddress {
    /// Returns nil for a socket that has no IP address.
    init?(_ address: SocketAddress?) {
        // Read by place: which C module the fields' names come from depends on who was built before.
        guard let address else { return nil }
        switch address {
        case .v4:
            let bits = address.withSockAddr { pointer, size in
                Self.bytes(pointer, size, at: 4, count: 4)?.loadUnaligned(as: UInt32.self)
            }
            guard let bits else { return nil }
            self.init(version4: UInt32(bigEndian: bits))
        case .v6:
            let read = address.withSockAddr { pointer, size in
                Self.bytes(pointer, size, at: 8, count: 16).map { Self(networkBytes: $0) }
            }
            guard let read else { return nil }
            self = read
        case .unixDomainSocket:
            return nil
        }
    }

    /// A field of `sockaddr_in` or `sockaddr_in6` (RFC 3493 §3.3).
    private static func bytes(
        _ pointer: UnsafeRawPointer,
        _ size: Int,
        at offset: Int,
        count: Int
    ) -> UnsafeRawBufferPointer? {
        guard size >= offset + count else { return nil }
        return UnsafeRawBufferPointer(start: pointer + offset, count: count)
    }
}
