// SPDX-License-Identifier: Apache-2.0

import SwiftASN1
import X509

/// Who a certificate says that its owner is: one node of one cluster.
///
/// It stands in the certificate as a subject alternative name of the kind URI, `trunkline://CLUSTER/NODE`. A URI and no
/// host name: no wildcard matches it, no public authority signs it, and every name that a node may have fits.
package struct CertifiedNode: Hashable, Sendable, CustomStringConvertible {
    package var cluster: String
    package var node: String

    private static let scheme = "trunkline://"

    package init(cluster: String, node: String) {
        self.cluster = cluster
        self.node = node
    }

    /// Nil when the text is no such URI.
    package init?(uri: String) {
        guard uri.hasPrefix(Self.scheme) else { return nil }
        let parts = uri.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        self.init(cluster: String(parts[0]), node: String(parts[1]))
    }

    package var uri: String { "\(Self.scheme)\(self.cluster)/\(self.node)" }
    package var description: String { self.uri }

    /// The nodes that a certificate names; none when it is not one of a node.
    package static func named(inDER bytes: [UInt8]) -> [CertifiedNode] {
        guard let certificate = try? Certificate(derEncoded: bytes) else { return [] }
        return certificate.certifiedNodes
    }
}

extension Certificate {
    /// The nodes that it names; none when it is not one of a node.
    package var certifiedNodes: [CertifiedNode] {
        guard let names = try? self.extensions.subjectAlternativeNames else { return [] }
        return names.compactMap { name in
            if case .uniformResourceIdentifier(let uri) = name { CertifiedNode(uri: uri) } else { nil }
        }
    }
}
