// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import Messaging
import TestSupport

/// Access tokens made by hand (RFC 7519, HS256), to test what an edge takes and refuses.
enum AccessTokenForgery {
    static func token(user: String, device: String, expiresIn seconds: Int, secret: String = TestCluster.tokenSecret)
        -> String
    {
        let now = Int(WallClock.now() / 1000)
        let header = Self.encoded(Data(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
        let claims = """
            {"sub":"\(user)","dev":"\(device)","iss":"\(TestCluster.cluster)","iat":\(now - 120),"exp":\(now + seconds)}
            """
        let signed = header + "." + Self.encoded(Data(claims.utf8))
        let key = SymmetricKey(data: Data(secret.utf8))
        return signed + "." + Self.encoded(Data(HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: key)))
    }

    private static func encoded(_ data: Data) -> String {
        data.base64EncodedString()
            .replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }
}
