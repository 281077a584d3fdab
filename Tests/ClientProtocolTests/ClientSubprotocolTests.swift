// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Testing

@Suite("The subprotocols")
struct ClientSubprotocolTests {
    @Test(
        "The first that is known is taken",
        arguments: [
            ([], nil), ([""], nil), (["chat"], nil), (["TRUNKLINE.V1.BINARY"], nil), (["trunkline.v1.binaryx"], nil),
            (["trunkline.v1.json"], .json), (["trunkline.v1.binary"], .binary),
            (["trunkline.v1.binary, trunkline.v1.json"], .binary), (["trunkline.v1.json,trunkline.v1.binary"], .json),
            (["chat,\t trunkline.v2.binary , trunkline.v1.binary \t"], .binary),
            (["chat", "trunkline.v1.json", "trunkline.v1.binary"], .json), ([",,", " , trunkline.v1.json"], .json),
        ] as [([String], ClientSubprotocol?)]
    )
    func choice(offered: [String], expected: ClientSubprotocol?) {
        #expect(ClientSubprotocol(offered: offered) == expected)
    }
}
