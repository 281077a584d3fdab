// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import Directory
import Foundation
import TransportSecurity

extension DoctorCollector {
    /// What a node here shows routers.
    struct Credential: Sendable {
        var node: String
        var certificates: LiveCertificates
    }

    struct Certificates: Sendable {
        var found: [DoctorFacts.Certificate] = []
        var troubles: [DoctorFacts.CertificateTrouble] = []
        /// Of the mesh.
        var credentials: [Credential] = []

        /// A router does not take somebody who calls himself by its own name.
        func credential(for router: String) -> Credential? {
            self.credentials.first { $0.node != router }
        }
    }

    /// Reads those of the nodes here as their start would. Where no node is, those of any node do to talk to routers, if
    /// their files happen to be here.
    func readCertificates(of nodes: [DoctorFacts.Node]) async -> Certificates {
        let now = Date(timeIntervalSince1970: Double(self.now()) / 1000)
        let settings = self.settings
        let read = await self.blocking { () -> Certificates in
            var certificates = Certificates()
            for node in nodes where node.isHere {
                do throws(ConfigurationError) {
                    let loaded = try NodeCertificates.load(
                        settings,
                        name: node.name,
                        isEdge: node.role == .edge,
                        now: now
                    )
                    certificates.found += loaded.entries.map { entry in
                        DoctorFacts.Certificate(
                            node: node.name,
                            use: entry.use.rawValue,
                            secondsLeft: Int(entry.live.expires.timeIntervalSince(now))
                        )
                    }
                    if let mesh = loaded.mesh {
                        certificates.credentials.append(Credential(node: node.name, certificates: mesh))
                    }
                } catch {
                    certificates.troubles += error.problems.map { .init(node: node.name, problem: $0) }
                }
            }
            guard !nodes.contains(where: \.isHere) else { return certificates }
            for node in nodes {
                // As an edge that has no clients: only what the mesh needs is read, and what is not here is no trouble.
                let loaded = try? NodeCertificates.load(settings, name: node.name, isEdge: false, now: now)
                guard let mesh = loaded?.mesh else { continue }
                certificates.credentials.append(Credential(node: node.name, certificates: mesh))
            }
            return certificates
        }
        return read ?? Certificates()
    }
}
