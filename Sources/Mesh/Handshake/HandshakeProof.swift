// SPDX-License-Identifier: Apache-2.0

internal import Crypto
import NIOCore
import Wire

/// What shows that a side knows the cluster's secret, without sending it: HMAC-SHA256 (RFC 2104) with the secret as
/// key, over a label for the direction and both sides' hellos, each with its length before it.
///
/// Both nonces are in the hellos, so a proof is good for one connection; the label keeps one side's proof from being
/// sent back to it.
enum HandshakeProof {
    enum Direction: String {
        case byDialler = "trunkline mesh proof by dialler"
        case byAcceptor = "trunkline mesh proof by acceptor"
    }

    static func code(_ direction: Direction, dialler: HelloFrame, acceptor: HelloFrame, secret: [UInt8]) -> [UInt8] {
        let material = Self.material(direction, dialler: dialler, acceptor: acceptor)
        return Array(HMAC<SHA256>.authenticationCode(for: material, using: SymmetricKey(data: secret)))
    }

    /// Compares in a time that does not depend on where the codes differ.
    static func isValid(
        _ code: [UInt8],
        _ direction: Direction,
        dialler: HelloFrame,
        acceptor: HelloFrame,
        secret: [UInt8]
    ) -> Bool {
        HMAC<SHA256>.isValidAuthenticationCode(
            code,
            authenticating: Self.material(direction, dialler: dialler, acceptor: acceptor),
            using: SymmetricKey(data: secret)
        )
    }

    private static func material(_ direction: Direction, dialler: HelloFrame, acceptor: HelloFrame) -> [UInt8] {
        var buffer = ByteBuffer()
        for part in [Array(direction.rawValue.utf8), Self.bytes(of: dialler), Self.bytes(of: acceptor)] {
            buffer.writeInteger(UInt32(part.count))
            buffer.writeBytes(part)
        }
        return Array(buffer.readableBytesView)
    }

    private static func bytes(of hello: HelloFrame) -> [UInt8] {
        var buffer = ByteBuffer()
        hello.encode(into: &buffer)
        return Array(buffer.readableBytesView)
    }
}
