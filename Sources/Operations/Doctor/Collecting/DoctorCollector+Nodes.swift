// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Glibc
import Mesh
import Messaging
import NIOCore
import NIOHTTP1
import NIOSSL

extension DoctorCollector {
    /// The nodes of the file and those that have joined, and which of them are on this machine.
    func locateNodes(_ leases: DoctorFacts.Seen<NodeLeases.Listing>) async -> [DoctorFacts.Node] {
        let nodes = self.knownNodes(leases)
        let settings = self.settings
        let located = await self.blocking { () -> [DoctorFacts.Node] in
            let own = LocalAddresses()
            return nodes.map { node in
                var node = node
                // Where a node listens says more than where others reach it.
                node.isHere =
                    (settings.node(named: node.name)?.http ?? node.http).map { own.contains(host: $0.host) } ?? false
                return node
            }
        }
        return located ?? nodes
    }

    /// Asks them all.
    func visitNodes(
        _ nodes: [DoctorFacts.Node],
        _ secrets: ResolvedSecrets,
        _ certificates: Certificates
    ) async -> [DoctorFacts.Node] {
        let visited = await withTaskGroup(of: (Int, DoctorFacts.Node).self) { group in
            for (index, node) in nodes.enumerated() {
                group.addTask { (index, await self.visit(node, secrets, certificates)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        return nodes.indices.compactMap { visited[$0] }
    }

    private func knownNodes(_ leases: DoctorFacts.Seen<NodeLeases.Listing>) -> [DoctorFacts.Node] {
        var living: [NodeLease] = []
        if case .value(let listing) = leases { living = listing.leases }
        var nodes = self.settings.nodes.map { listed in
            var node = DoctorFacts.Node(
                name: listed.name,
                role: listed.role == .router ? .router : .edge,
                isListed: true
            )
            node.http = listed.httpToAsk
            node.mesh = listed.meshToDial
            return node
        }
        for lease in living {
            let index = nodes.firstIndex { $0.name == lease.name } ?? nodes.endIndex
            if index == nodes.endIndex {
                nodes.append(DoctorFacts.Node(name: lease.name, role: lease.role, isListed: false))
            }
            nodes[index].lease = lease
            // What a node says of itself wins over the file.
            nodes[index].http = lease.httpAddress.flatMap { NetworkAddress($0) } ?? nodes[index].http
            nodes[index].mesh = lease.meshAddress.flatMap { NetworkAddress($0) } ?? nodes[index].mesh
        }
        return nodes
    }

    private func visit(
        _ node: DoctorFacts.Node,
        _ secrets: ResolvedSecrets,
        _ certificates: Certificates
    ) async -> DoctorFacts.Node {
        var node = node
        let isRouter = node.role == .router
        if let http = node.http {
            do throws(OperationsError) {
                let context = try await NodeTrust(self.settings).context(for: node.name, isEdge: node.role == .edge)
                async let metrics = self.readMetrics(at: http, over: context)
                async let admissions = self.showSecrets(isRouter ? secrets : nil, at: http, over: context)
                node.readiness = await ReadinessProbe(group: self.group, timeout: self.timeout).ask(http, over: context)
                if let page = await metrics { Self.take(page, into: &node, now: self.now()) }
                node.admissions = await admissions
            } catch {
                node.readiness = .unreachable(error.message)
            }
        }
        if node.role == .router, node.isRunning, let mesh = node.mesh, let secret = secrets.mesh {
            node.handshake = await self.shakeHands(with: node.name, at: mesh, secret, certificates)
        }
        if node.isHere, !node.isRunning, let listed = self.settings.node(named: node.name) {
            let taken = await self.blocking { () -> [String: String] in
                let addresses = [("mesh", listed.mesh), ("http", listed.http)]
                let taken = addresses.compactMap { key, address in
                    address.flatMap { PortCheck.reasonNotToListen(on: $0) }.map { (key, "\($0)") }
                }
                return Dictionary(taken) { first, _ in first }
            }
            node.portsTaken = taken ?? [:]
        }
        return node
    }

    private func readMetrics(at address: NetworkAddress, over tls: NIOSSLContext?) async -> NodeHTTP.Answer? {
        let http = NodeHTTP(group: self.group, timeout: self.timeout, bodyBytesMax: 8 << 20)
        guard let answer = try? await http.send(.GET, "/metrics", to: address, over: tls), answer.status == 200 else {
            return nil
        }
        return answer
    }

    /// Asks what a router offers to operators, as each of those whose secret is here.
    private func showSecrets(
        _ secrets: ResolvedSecrets?,
        at address: NetworkAddress,
        over tls: NIOSSLContext?
    ) async -> [String: Int] {
        let http = NodeHTTP(group: self.group, timeout: self.timeout)
        var answers: [String: Int] = [:]
        for (key, secret) in [("admin_read", secrets?.adminRead), ("admin_operate", secrets?.adminOperate)] {
            guard let secret else { continue }
            let fields = [("authorization", "Bearer \(secret.exposedText)")]
            answers["secrets.\(key)"] = try? await http.send(.GET, "/admin", fields: fields, to: address, over: tls)
                .status
        }
        return answers
    }

    private static func take(_ answer: NodeHTTP.Answer, into node: inout DoctorFacts.Node, now: UnixMilliseconds) {
        let page = MetricsText(answer.body)
        let identity = page.samples(of: "trunkline_node_identity").first?.labels
        node.answersAs = identity?["node"]
        node.version = identity?["version"]
        node.filesMax = page.sum("process_max_fds").map { Int(min($0, 1e15)) }
        for sample in page.samples(of: "trunkline_mesh_handshakes_refused_total") {
            guard let reason = sample.labels["reason"] else { continue }
            node.refusals[reason] = Int(sample.value)
        }
        guard let date = answer.date.flatMap(Self.milliseconds(ofHTTPDate:)) else { return }
        // It tells whole seconds: on average half of one has passed.
        node.clockAheadMilliseconds = date + 500 - Int64(clamping: now)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
    static func milliseconds(ofHTTPDate text: String) -> Int64? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.split(separator: " ")
        guard parts.count == 6, let day = Int32(parts[1]), let year = Int32(parts[3]),
            let month = months.firstIndex(of: String(parts[2]))
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int32($0) }
        guard clock.count == 3 else { return nil }
        var time = tm()
        (time.tm_year, time.tm_mon, time.tm_mday) = (year - 1900, Int32(month), day)
        (time.tm_hour, time.tm_min, time.tm_sec) = (clock[0], clock[1], clock[2])
        return Int64(timegm(&time)) * 1000
    }

    /// Nil where links speak TLS and there is no certificate to show: only who has one of his own name is let in.
    private func shakeHands(
        with name: String,
        at address: NetworkAddress,
        _ secret: Secret,
        _ certificates: Certificates
    ) async -> MeshProbe.Outcome? {
        var identity = PeerIdentity(
            name: "doctor-\(UInt32.random(in: 0...UInt32.max))",
            incarnation: .generate(),
            role: .edge
        )
        var mesh = MeshSettings(cluster: self.settings.cluster, secret: secret.exposedBytes)
        mesh.connectTimeout = TimeAmount(self.timeout)
        mesh.handshakeTimeout = TimeAmount(self.timeout)
        if self.settings.tls.mesh.certificate != nil {
            guard let credential = certificates.credential(for: name) else { return nil }
            identity.name = credential.node
            mesh.certificates = credential.certificates
        }
        let probe = MeshProbe(settings: mesh, group: self.group)
        // A router that listens everywhere is asked on this machine.
        let host = address.isWildcard ? (address.host == "::" ? "::1" : "127.0.0.1") : address.host
        return await probe.ask(MeshPeer(name: name, role: .router, host: host, port: address.port), as: identity)
    }
}
