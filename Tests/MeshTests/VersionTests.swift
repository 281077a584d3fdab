// SPDX-License-Identifier: Apache-2.0

import Messaging
import Testing

@testable import Mesh

extension SocketTests {
    @Suite("Versions of the protocol")
    struct VersionTests {
        @Test(
            "Two nodes speak the higher version that both do, whichever of them is the older",
            arguments: [(1, 1), (1, 2), (2, 1), (2, 2)] as [(UInt16, UInt16)]
        )
        func agreed(edge: UInt16, router: UInt16) async throws {
            try await Cluster.run { cluster in
                let routerNode = cluster.node(
                    "router",
                    .router,
                    Recorder(),
                    settings: Cluster.settings { $0.versionMax = router }
                )
                let edgeNode = cluster.node(
                    "edge",
                    .edge,
                    Recorder(),
                    settings: Cluster.settings { $0.versionMax = edge }
                )
                let address = try await routerNode.listen(host: "127.0.0.1", port: 0)
                edgeNode.setPeers([.at(address, "router")])
                try await Cluster.linked(edgeNode, routerNode)
                let expected = min(edge, router)
                #expect(edgeNode.version(of: "router") == expected)
                #expect(routerNode.version(of: "edge") == expected)
                #expect(routerNode.linkStates().map(\.version) == [expected])
                #expect(routerNode.version(of: "nobody") == nil)
            }
        }

        @Test("Unless it is held back a node speaks all versions of its program")
        func standard() {
            #expect(MeshSettings(cluster: "test", secret: [1]).versionMax == MeshVersion.newest)
            #expect(Handshake.versions == MeshVersion.oldest...MeshVersion.newest)
        }
    }
}
