// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Wire

private let life = Incarnation(value: 9)

/// See ``bodySamples``.
let relaySamples: [(body: any WireMessage & Equatable, hexadecimal: String)] = [
    (
        Relay(items: [
            Relay.Item(
                kind: 1,
                body: ByteBuffer(bytes: [0x0A, 0x01, 0x78]),
                targets: [
                    Relay.Target(edge: "edge-1", rest: ByteBuffer(bytes: [0x20, 0x07])), Relay.Target(edge: "edge-2"),
                ]
            )
        ]),
        "0a1f080112030a01781a0c0a06656467652d31120220071a080a06656467652d32"
    ),
    (
        RelayAnswer(reached: RelayedThrough(life: life, position: 300), untaken: ["edge-2"]),
        "0a150a100000000000000000000000000000000910ac021206656467652d32"
    ),
    (RelayedThrough(life: life, position: 300), "0a100000000000000000000000000000000910ac02"),
    (
        Relayed(router: "router-1", life: life, kind: 5, payload: ByteBuffer(bytes: [0x08, 0x01])),
        "0a08726f757465722d31121000000000000000000000000000000009180522020801"
    ),
    (
        RelayReach(isWhole: true, came: ["edge-1", "edge-2"], gone: ["edge-3"]),
        "08011206656467652d311206656467652d321a06656467652d33"
    ),
]
