// SPDX-License-Identifier: Apache-2.0

import Mesh
import Wire

extension RouterNode {
    /// Passes things on over the links of this router.
    static func station(journal: ChangeJournal, links: RouterLinks, mesh: MeshNode) -> RelayStation {
        RelayStation(
            journal: journal,
            links: RelayStation.Links(
                deliver: { payload, edge in
                    mesh.notify(
                        kind: NotificationKind.relayed.rawValue,
                        payload: payload,
                        to: edge,
                        class: .durable
                    ).isQueued
                },
                tell: { reach, router in
                    let payload = reach.encoded()
                    for router in router.map({ Set([$0]) }) ?? links.routers {
                        // One that hears nothing of it sends to the edges itself.
                        mesh.notify(
                            kind: NotificationKind.relayReach.rawValue,
                            payload: payload,
                            to: router,
                            class: .durable
                        )
                    }
                }
            )
        )
    }
}
