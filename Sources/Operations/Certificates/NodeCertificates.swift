// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Foundation
import Observability
import TransportSecurity

/// The certificates of one node, as `cluster.yaml` names their files.
package struct NodeCertificates: Sendable {
    /// One use of certificates, and where they come from.
    struct Entry: Sendable {
        var use: LiveCertificates.Use
        var files: CertificateFiles
        /// Whom the certificate has to name; nil for those that clients see.
        var node: CertifiedNode?
        /// What the files were before they were read.
        var stamps: ReloadState.Stamps
        var live: LiveCertificates

        /// Reads the files as they are now. Blocking.
        func read(now: Date) throws(CertificateProblem) -> CertificateSet {
            try CertificateSet(try self.files.read(), naming: self.node, now: now)
        }
    }

    let entries: [Entry]

    /// What clients of this node see; nil when they are served without TLS.
    package var clients: LiveCertificates? { self.live(.clients) }
    /// Nil when the mesh is without TLS.
    package var mesh: LiveCertificates? { self.live(.mesh) }

    private func live(_ use: LiveCertificates.Use) -> LiveCertificates? {
        self.entries.first { $0.use == use }?.live
    }

    /// Reads what the node needs, blocking; throws all that is wrong at once. Only edges have clients.
    package static func load(
        _ settings: ClusterSettings,
        node: ClusterSettings.Node,
        now: Date = Date()
    ) throws(ConfigurationError) -> NodeCertificates {
        try Self.load(settings, name: node.name, isEdge: node.role == .edge, now: now)
    }

    /// The same of a node that the settings need not list.
    static func load(
        _ settings: ClusterSettings,
        name: String,
        isEdge: Bool,
        now: Date
    ) throws(ConfigurationError) -> NodeCertificates {
        var entries: [Entry] = []
        var problems: [ConfigurationProblem] = []
        for use in LiveCertificates.Use.allCases {
            guard let files = Self.files(of: use, settings, name, isEdge: isEdge) else { continue }
            let named = use == .mesh ? CertifiedNode(cluster: settings.cluster, node: name) : nil
            do {
                let stamps = files.stamps
                let set = try CertificateSet(try files.read(), naming: named, now: now)
                let live = try LiveCertificates(use, set)
                entries.append(Entry(use: use, files: files, node: named, stamps: stamps, live: live))
            } catch {
                problems.append(Self.problem(error, use, files))
            }
        }
        guard problems.isEmpty else {
            throw ConfigurationError(file: "certificates of \(name)", problems: problems)
        }
        return NodeCertificates(entries: entries)
    }

    /// Tells when each use's certificate runs out, and how many handshakes failed.
    func register(in registry: MetricsRegistry) {
        guard !self.entries.isEmpty else { return }
        let expires = registry.declare(
            .gauge,
            "trunkline_tls_certificate_expires_seconds",
            help: "When the first certificate of the chain in use runs out, in seconds of Unix time.",
            labels: ["use"]
        )
        let failed = registry.declare(
            .counter,
            "trunkline_tls_handshakes_failed_total",
            help: "Connections that ended because TLS did not come about.",
            labels: ["use"]
        )
        registry.collect { [entries] sink in
            for entry in entries {
                sink.record(expires, Int(entry.live.expires.timeIntervalSince1970), [entry.use.rawValue])
                sink.record(failed, entry.live.handshakesFailed, [entry.use.rawValue])
            }
        }
    }

    private static func files(
        of use: LiveCertificates.Use,
        _ settings: ClusterSettings,
        _ node: String,
        isEdge: Bool
    ) -> CertificateFiles? {
        let paths: ClusterSettings.CertificatePaths? =
            switch use {
            case .clients: isEdge ? settings.clientCertificates(of: node) : nil
            case .mesh: settings.meshCertificates(of: node)
            }
        return paths.map {
            CertificateFiles(certificate: $0.certificate, privateKey: $0.privateKey, authority: $0.authority)
        }
    }

    private static func problem(
        _ problem: CertificateProblem,
        _ use: LiveCertificates.Use,
        _ files: CertificateFiles
    ) -> ConfigurationProblem {
        let path =
            switch problem.part {
            case .certificate: files.certificate
            case .privateKey: files.privateKey
            case .authority: files.authority ?? ""
            }
        // A file that cannot be read names itself.
        let message = problem.message.hasPrefix(path) ? problem.message : "\(path): \(problem.message)"
        return ConfigurationProblem("tls.\(use.rawValue).\(problem.part.rawValue)", message, remedy: problem.remedy)
    }
}
