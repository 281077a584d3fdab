// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Glibc

/// Finds out before a node starts whether it can listen where `cluster.yaml` says.
enum PortCheck {
    /// Throws the first address of the node that cannot be listened on, with its key path and what to do.
    ///
    /// A name is resolved here, with a call that blocks; so this is for the start of a process only.
    static func check(_ node: ClusterSettings.Node, in settings: ClusterSettings) throws(OperationsError) {
        let index = settings.nodes.firstIndex { $0.name == node.name } ?? 0
        let addresses = [("mesh", node.mesh), ("http", node.http)]
        for case (let key, let address?) in addresses {
            guard let reason = Self.reasonNotToListen(on: address) else { continue }
            let variable = Self.variable(node: node.name, key: key)
            throw OperationsError(
                "nodes[\(index)].\(key): cannot listen on \(address): \(reason)",
                remedy:
                    "stop what uses it, or choose another address there, with --\(key) or with \(variable)=HOST:PORT"
            )
        }
    }

    /// The variable that replaces one address, as `trunkline config reference` names it.
    private static func variable(node: String, key: String) -> String {
        let name = node.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
        return "TRUNKLINE_NODES__\(name)__\(key.uppercased())"
    }

    /// Nil when it can be listened on. Resolves a name, with a call that blocks.
    static func reasonNotToListen(on address: NetworkAddress) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var found: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(address.host, String(address.port), &hints, &found)
        guard status == 0, let found else { return String(cString: gai_strerror(status)) }
        defer { freeaddrinfo(found) }
        let descriptor = socket(found.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        // As the servers do: connections of an earlier life that linger in TIME_WAIT are no obstacle.
        var enabled: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &enabled, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0, listen(descriptor, 1) == 0 else {
            let error = errno
            return error == EADDRINUSE ? "another program uses the port" : String(cString: strerror(error))
        }
        return nil
    }
}
