// SPDX-License-Identifier: Apache-2.0

extension KeyTable {
    static let tls: [SettingKey<ClusterSettings>] = [
        .optionalPath(
            "clients.certificate",
            \.tls.clients.certificate,
            "What edges show to clients: PEM, the edge's certificate first, then those between it and its authority."
        ),
        .optionalPath("clients.private_key", \.tls.clients.privateKey, "The private key that belongs to it: PEM."),
        .optionalPath(
            "mesh.certificate",
            \.tls.mesh.certificate,
            "What nodes show each other: PEM. It names its node with the URI trunkline://CLUSTER/NODE."
        ),
        .optionalPath("mesh.private_key", \.tls.mesh.privateKey, "The private key that belongs to it: PEM."),
        .optionalPath(
            "mesh.authority",
            \.tls.mesh.authority,
            "The authorities that sign the nodes' certificates: PEM. Whoever shows another certificate is refused."
        ),
    ]
}
